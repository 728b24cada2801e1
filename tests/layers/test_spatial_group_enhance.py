import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import SpatialGroupEnhance
from tests.checks import check_layer
from tests.shared import shared_path

IMAGES = np.random.default_rng(0).normal(size=(2, 5, 7, 12)).astype("float32")
CASES = ["g4c16_5x7", "g8c64_14x14", "g64c256_7x7", "g64c64_4x4", "g1c8_3x2"]


def test_keeps_the_layer_contract():
    arguments = {"groups": 4}
    check_layer(SpatialGroupEnhance, arguments, [IMAGES], output_shape=IMAGES.shape)


def test_matches_the_paper_written_in_numpy():
    layer = SpatialGroupEnhance(groups=3)
    layer.build(IMAGES.shape)
    scale, offset = np.random.default_rng(1).normal(size=(2, 3, 1)).astype("float32")
    layer.set_weights([scale, offset])

    x = IMAGES.reshape(2, 35, 3, 4)
    t = (x * x.mean(axis=1, keepdims=True)).sum(axis=-1, keepdims=True)
    t = (t - t.mean(axis=1, keepdims=True)) / (t.std(1, ddof=1, keepdims=True) + 1e-5)
    expected = x / (1 + np.exp(-(t * scale + offset)))

    np.testing.assert_allclose(
        layer(IMAGES), expected.reshape(IMAGES.shape), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("case", CASES)
def test_matches_the_authors_code(case):
    arrays = np.load(shared_path("parity/sge.npz"))
    images = arrays[f"{case}/x"].transpose(0, 2, 3, 1)
    groups = arrays[f"{case}/weight"].size
    layer = SpatialGroupEnhance(groups)

    for output in ("y_init", "y"):
        expected = arrays[f"{case}/{output}"].transpose(0, 2, 3, 1)
        np.testing.assert_allclose(
            layer(images), expected, atol=1e-4 * np.abs(expected).max()
        )
        layer.set_weights(
            [arrays[f"{case}/{name}"].reshape(-1, 1) for name in ("weight", "bias")]
        )


@pytest.mark.parametrize("side", [1, 3])
def test_stays_finite_where_all_positions_are_alike(side):
    layer = SpatialGroupEnhance(groups=2)
    images = tf.ones((2, side, side, 4))
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images)
    np.testing.assert_allclose(outputs, images / (1 + np.exp(-1.0)), rtol=1e-5)
    assert np.isfinite(tape.gradient(outputs, images)).all()


def test_says_which_groups_do_not_fit():
    with pytest.raises(ValueError, match="groups=5 and 12 channels"):
        SpatialGroupEnhance(groups=5)(IMAGES)
    with pytest.raises(ValueError, match="groups=0"):
        SpatialGroupEnhance(groups=0)
