import numpy as np
import pytest

from kmlic.layers import SqueezeExcite
from tests.checks import check_layer

IMAGES = np.random.default_rng(0).normal(size=(2, 5, 7, 12)).astype("float32")


def test_keeps_the_layer_contract():
    check_layer(SqueezeExcite, {"ratio": 4}, [IMAGES], output_shape=IMAGES.shape)


def test_matches_the_paper_written_in_numpy():
    layer = SqueezeExcite(ratio=3, divisor=1)
    outputs = layer(IMAGES)

    w1, b1, w2, b2 = layer.get_weights()
    assert w1.shape == (12, 4)
    means = IMAGES.mean(axis=(1, 2))
    gates = 1 / (1 + np.exp(-(np.maximum(means @ w1 + b1, 0) @ w2 + b2)))
    np.testing.assert_allclose(outputs, IMAGES * gates[:, None, None], rtol=1e-5)


@pytest.mark.parametrize(
    ("channels", "hidden"), [(64, 8), (256, 16), (512, 32), (1024, 64), (2048, 128)]
)
def test_rounds_hidden_units_to_a_multiple_of_eight(channels, hidden):
    layer = SqueezeExcite()
    layer.build((None, None, None, channels))
    assert layer.squeeze.units == hidden


def test_says_which_ratio_does_not_fit():
    with pytest.raises(ValueError, match="ratio=0"):
        SqueezeExcite(ratio=0)
    with pytest.raises(ValueError, match="divisor=0"):
        SqueezeExcite(divisor=0)
