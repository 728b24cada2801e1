"""The mean of feature maps over their positions, fast in low precision too."""

import functools

import keras
import tensorflow as tf
from keras import ops

from kmlic.layers.keras_internals import is_traced_for_xla


def mean_positions(x):
    """Computes the mean of each channel, (B, H, W, C) to (B, 1, 1, C).

    For maps in low precision, `ops.mean` writes a copy in float32. A pool needs no copy
    and a third of the time, on processors that add up its values in float32.
    """
    dtype, sides = keras.backend.standardize_dtype(x.dtype), tuple(x.shape[1:3])
    if None in sides or dtype == "float32" or not _pools_in_float32(dtype):
        return ops.mean(x, axis=(1, 2), keepdims=True)
    return ops.average_pool(x, sides, data_format="channels_last")


def _pools_in_float32(dtype):
    if keras.backend.backend() != "tensorflow" or is_traced_for_xla():
        return False
    return not tf.config.list_logical_devices("GPU") and _sums_in_float32(dtype)


@functools.cache
def _sums_in_float32(dtype):
    # Only trying it shows: TensorFlow leaves bfloat16 to oneDNN, and adds up in low
    # precision, or lacks the operator, where oneDNN does not support it.
    with tf.init_scope():
        values = tf.fill((1, 64, 64, 1), tf.cast(1.5, dtype))
        try:
            with tf.GradientTape() as tape:
                tape.watch(values)
                mean = tf.nn.avg_pool2d(values, 64, 1, "VALID")
            tape.gradient(mean, values)
        except (tf.errors.OpError, TypeError):
            return False
        return float(tf.squeeze(mean)) == 1.5
