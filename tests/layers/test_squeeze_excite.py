import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import SqueezeExcite
from kmlic.layers._mean_positions import mean_positions
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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_means_are_summed_in_float32(dtype):
    maps = np.random.default_rng(0).uniform(1, 2, (2, 60, 40, 3)).astype("float32")
    maps = tf.cast(maps, dtype)
    expected = tf.cast(maps, "float32").numpy().mean(axis=(1, 2), keepdims=True)
    step = {"float32": 1e-5, "bfloat16": 2**-8, "float16": 2**-10}[dtype]
    for function in (
        mean_positions,
        tf.function(mean_positions),
        tf.function(mean_positions, jit_compile=True),
        tf.function(mean_positions, [tf.TensorSpec((None, None, None, 3), dtype)]),
    ):
        found = function(maps)
        assert found.dtype == dtype
        np.testing.assert_allclose(tf.cast(found, "float32"), expected, rtol=step)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        sums = tf.reduce_sum(tf.cast(mean_positions(maps), "float32"))
    gradient = tf.cast(tape.gradient(sums, maps), "float32")
    np.testing.assert_allclose(gradient, np.full(maps.shape, 1 / 2400), rtol=step)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_means_do_not_depend_on_the_data_format_of_keras(dtype):
    maps = tf.cast(IMAGES, dtype)
    expected = tf.cast(mean_positions(maps), "float32")
    assert keras.config.image_data_format() == "channels_last"
    keras.config.set_image_data_format("channels_first")
    try:
        found = mean_positions(maps)
    finally:
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_array_equal(tf.cast(found, "float32"), expected)


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
