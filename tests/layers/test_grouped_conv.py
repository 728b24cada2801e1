import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import GroupedConv2D, grouped_conv
from tests.checks import check_layer

IMAGES = np.random.default_rng(0).normal(size=(2, 7, 6, 12)).astype("float32")


def test_keeps_the_layer_contract():
    arguments = {"filters": 8, "kernel_size": 3, "groups": 4, "strides": 2}
    check_layer(GroupedConv2D, arguments, [IMAGES], output_shape=(2, 3, 2, 8))


@pytest.mark.parametrize("groups", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("strides", [1, 2])
def test_convolves_every_group_by_itself(groups, strides):
    layer = GroupedConv2D(24, 3, groups=groups, strides=strides, padding="same")
    outputs = layer(IMAGES)

    kernels = np.split(layer.kernel.numpy(), groups, axis=-1)
    expected = np.concatenate(
        [
            keras.ops.conv(part, kernel, strides, "same")
            for part, kernel in zip(np.split(IMAGES, groups, -1), kernels, strict=True)
        ],
        axis=-1,
    )
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_knows_the_shape_of_its_output(padding, strides):
    layer = GroupedConv2D(12, 3, groups=2, strides=strides, padding=padding)
    for side in (6, 7, 8):
        images = np.zeros((1, side, side, 4), "float32")
        assert layer.compute_output_shape(images.shape) == layer(images).shape


@pytest.mark.parametrize("groups", [2, 6, 12])
def test_gives_the_same_where_xla_compiles_it(groups):
    keras.utils.set_random_seed(0)
    layer = GroupedConv2D(24, 3, groups=groups)
    images = tf.constant(IMAGES)
    layer.build(images.shape)

    def differentiate():
        with tf.GradientTape() as tape:
            outputs = layer(images)
            loss = tf.reduce_sum(outputs**2)
        return outputs, tape.gradient(loss, layer.kernel.value)

    compiled = tf.function(differentiate, jit_compile=True)
    operators = {
        operator.type
        for operator in compiled.get_concrete_function().graph.get_operations()
    }

    for actual, expected in zip(compiled(), differentiate(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3)
    assert "SplitV" in operators or "Split" in operators


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_has_a_gradient_in_low_precision_on_every_processor(dtype):
    keras.utils.set_random_seed(0)
    layer = GroupedConv2D(24, 3, groups=6, dtype=f"mixed_{dtype}")
    exact = GroupedConv2D(24, 3, groups=6)
    for each in (layer, exact):
        each.build(IMAGES.shape)
    exact.kernel.assign(layer.kernel)

    gradients = []
    for each in (layer, exact):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(each(tf.constant(IMAGES)), "float32") ** 2)
        gradients.append(tape.gradient(loss, each.kernel.value).numpy())

    actual, expected = gradients
    np.testing.assert_allclose(actual, expected, atol=0.02 * np.abs(expected).max())


def test_convolves_in_float32_what_has_no_gradient(monkeypatch):
    keras.utils.set_random_seed(0)
    layer = GroupedConv2D(24, 3, groups=6, dtype="mixed_bfloat16")
    layer.build(IMAGES.shape)
    monkeypatch.setattr(grouped_conv, "_has_gradient", lambda dtype: dtype.size == 4)
    convolve, seen = tf.nn.conv2d, []

    def look(inputs, kernel, *arguments):
        seen.append((inputs.dtype, kernel.dtype))
        return convolve(inputs, kernel, *arguments)

    monkeypatch.setattr(tf.nn, "conv2d", look)
    assert layer(IMAGES).dtype == tf.bfloat16
    assert seen == [(tf.float32, tf.float32)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolves_blocks_without_groups_where_no_type_has_a_gradient(
    monkeypatch, dtype
):
    keras.utils.set_random_seed(0)
    layer = GroupedConv2D(24, 3, groups=6, strides=2, padding="same", dtype=dtype)
    expected = layer(IMAGES)
    monkeypatch.setattr(grouped_conv, "_has_gradient", lambda dtype: False)
    convolve = tf.nn.conv2d

    def look(inputs, kernel, *arguments):
        assert inputs.shape[-1] == kernel.shape[2]
        assert inputs.dtype == dtype
        return convolve(inputs, kernel, *arguments)

    monkeypatch.setattr(tf.nn, "conv2d", look)
    np.testing.assert_allclose(layer(IMAGES), expected, rtol=1e-4, atol=1e-5)


def test_says_which_groups_do_not_fit():
    with pytest.raises(ValueError, match="groups=5 and filters=12"):
        GroupedConv2D(12, 3, groups=5)
    with pytest.raises(ValueError, match="groups=5 and 12 channels"):
        GroupedConv2D(10, 3, groups=5)(IMAGES)
    with pytest.raises(ValueError, match="padding='full'"):
        GroupedConv2D(12, 3, groups=2, padding="full")
