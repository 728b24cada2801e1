import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers.wildcat_pooling import WildcatPooling
from tests.checks import check_layer
from tests.shared import shared_path

MAPS = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype("float32")


def test_keeps_the_layer_contract():
    check_layer(WildcatPooling, {"kmax": 0.3, "kmin": 2}, [MAPS], output_shape=(2, 3))


def test_matches_the_paper_written_in_numpy():
    outputs = WildcatPooling(kmax=0.2, kmin=3, alpha=0.7)(MAPS)

    values = np.sort(MAPS.reshape(2, 20, 3), axis=1)
    highest, lowest = values[:, -4:].mean(axis=1), values[:, :3].mean(axis=1)
    np.testing.assert_allclose(outputs, (highest + 0.7 * lowest) / 2, rtol=1e-5)


@pytest.mark.parametrize("case", range(8))
def test_matches_the_authors_code(case):
    arrays = np.load(shared_path("parity/wildcat.npz"))
    kmax, kmin, alpha = arrays[f"case{case}/cfg"]
    maps = tf.constant(arrays["x"].transpose(0, 2, 3, 1))
    layer = WildcatPooling(float(kmax), float(kmin), float(alpha))

    with tf.GradientTape() as tape:
        tape.watch(maps)
        outputs = layer(maps)
    gradient = tape.gradient(outputs, maps, arrays["gy"])

    expected = arrays[f"case{case}/y"]
    np.testing.assert_allclose(outputs, expected, atol=1e-4 * np.abs(expected).max())
    expected = arrays[f"case{case}/gx"].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(gradient, expected, atol=1e-4 * np.abs(expected).max())


def test_averages_one_value_where_the_share_rounds_to_none():
    outputs = WildcatPooling(kmax=0.2, kmin=0)(MAPS[:, :2, :1])
    np.testing.assert_allclose(outputs, MAPS[:, :2, :1].max(axis=(1, 2)))


def test_says_that_it_needs_the_size():
    with pytest.raises(ValueError, match=r"\(None, None, 4, 3\)"):
        WildcatPooling()(keras.Input((None, 4, 3)))


def test_says_which_count_is_wrong():
    with pytest.raises(ValueError, match="kmax=0"):
        WildcatPooling(kmax=0)
