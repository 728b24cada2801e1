"""The time of training steps in low precision beside float32."""

import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from kmlic.training.as_float32 import as_float32

_REPETITIONS = 3  # the first one traces


def time_precisions(
    model: keras.Model, images_shape: tuple[int, ...]
) -> tuple[float, float]:
    """Measures a step's gradients in the precision of a model and in float32.

    Processors without units for low precision, and networks of depthwise convolutions,
    convert more than they save. The model stays as it is: the gradient is that of the
    sum of its outputs, without dropout and without new statistics.

    Args:
        model: functional, built in mixed precision.
        images_shape: (B, H, W, C) of a batch.

    Returns:
        Seconds in the model's precision, and in float32; the better of two steps each,
        taken in turn.

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> conv = keras.layers.Conv2D(2, 1, dtype="mixed_bfloat16")
        >>> own, plain = time_precisions(keras.Model(image, conv(image)), (1, 8, 8, 3))
        >>> own > 0 < plain
        True
    """
    images = tf.zeros(images_shape)
    steps = [_gradients(each, images) for each in (model, as_float32(model))]
    times: list[list[float]] = [[], []]
    for _ in range(_REPETITIONS):
        for step, taken in zip(steps, times, strict=True):
            start = time.perf_counter()
            step()
            taken.append(time.perf_counter() - start)
    own, plain = (min(taken[1:]) for taken in times)
    return own, plain


def _gradients(model: keras.Model, images: tf.Tensor) -> Callable[[], np.ndarray]:
    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = keras.tree.flatten(model(images, training=False))
            total = tf.add_n([tf.reduce_sum(tf.cast(x, "float32")) for x in outputs])
        weights = [weight.value for weight in model.trainable_variables]
        found = tape.gradient(total, weights)
        return tf.add_n([tf.reduce_sum(each) for each in found if each is not None])

    return lambda: step().numpy()
