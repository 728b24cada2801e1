import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import FusedBatchNorm
from tests.checks import check_layer

IMAGES = np.random.default_rng(0).normal(3, 2, size=(4, 5, 7, 6)).astype("float32")


def _with_random_weights(layer):
    layer.build(IMAGES.shape)
    weights = np.random.default_rng(1).uniform(0.5, 2, (4, 6))
    layer.set_weights(list(weights))
    return layer


def _step(layer):
    images = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images, training=True)
        loss = tf.reduce_sum(outputs**3)
    variables = [layer.gamma.value, layer.beta.value, images]
    return outputs, tape.gradient(loss, variables)


def test_keeps_the_layer_contract():
    arguments = {"epsilon": 1e-5}
    check_layer(FusedBatchNorm, arguments, [IMAGES], output_shape=IMAGES.shape)


def test_trains_and_infers_as_keras_does():
    ours = _with_random_weights(FusedBatchNorm(momentum=0.9))
    keras_own = _with_random_weights(keras.layers.BatchNormalization(momentum=0.9))

    np.testing.assert_allclose(ours(IMAGES), keras_own(IMAGES), rtol=1e-4, atol=1e-5)
    outputs, gradients = _step(ours)
    expected_outputs, expected_gradients = _step(keras_own)

    np.testing.assert_allclose(outputs, expected_outputs, rtol=1e-4, atol=1e-5)
    for actual, expected in zip(gradients, expected_gradients, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(actual, expected, atol=1e-4 * scale)
    np.testing.assert_allclose(ours.moving_mean, keras_own.moving_mean, rtol=1e-4)


def test_moving_variance_follows_the_unbiased_one_as_in_torch():
    layer = FusedBatchNorm(momentum=0.9)
    layer(IMAGES, training=True)
    expected = 0.9 + 0.1 * IMAGES.reshape(-1, 6).var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-4)


def test_is_the_same_layer_when_synchronized():
    alone = _with_random_weights(FusedBatchNorm(epsilon=1e-3))
    together = _with_random_weights(FusedBatchNorm(epsilon=1e-3, synchronized=True))
    outputs, gradients = _step(together)
    expected_outputs, expected_gradients = _step(alone)
    np.testing.assert_allclose(outputs, expected_outputs, rtol=1e-4, atol=1e-5)
    for actual, expected in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())
    for actual, expected in zip(together.weights, alone.weights, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4)


def test_leaves_its_statistics_alone_when_frozen():
    layer = FusedBatchNorm()
    layer.trainable = False
    np.testing.assert_allclose(layer(IMAGES, training=True), layer(IMAGES))
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(6))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_trains_in_low_precision_with_statistics_in_float32(policy):
    layer = FusedBatchNorm(dtype=policy)
    outputs, gradients = _step(layer)
    assert outputs.dtype == policy.removeprefix("mixed_")
    assert all(np.isfinite(tf.cast(g, "float32")).all() for g in gradients)
    mean = 0.01 * IMAGES.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-2)


@pytest.mark.parametrize("way", ["alone", "synchronized", "as keras"])
def test_one_position_has_no_variance(way):
    layer = FusedBatchNorm(momentum=0.9, synchronized=way == "synchronized")
    image = tf.constant(IMAGES[:1, :1, :1])
    layer.build(image.shape)
    if way == "as keras":
        layer._normalize_as_keras(image, learning=True)
    else:
        layer(image, training=True)
    np.testing.assert_allclose(layer.moving_variance, np.full(6, 0.9), rtol=1e-6)


def test_other_backends_follow_the_unbiased_variance_of_any_batch():
    layer = FusedBatchNorm(momentum=0.9)
    layer.build(IMAGES.shape)
    signature = [tf.TensorSpec((None, None, None, 6))]
    tf.function(lambda x: layer._normalize_as_keras(x, True), signature)(IMAGES)
    expected = 0.9 + 0.1 * IMAGES.reshape(-1, 6).var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-4)


def test_says_what_it_does_not_do():
    with pytest.raises(ValueError, match="center=False"):
        FusedBatchNorm(center=False)(IMAGES)
    with pytest.raises(ValueError, match=r"\(4, 6\)"):
        FusedBatchNorm()(IMAGES[:, 0, 0])
