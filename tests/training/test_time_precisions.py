import time

import keras
import numpy as np
import pytest

from kmlic.models import build_classifier
from kmlic.training.time_precisions import time_precisions


def build(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return build_classifier(2, backbone="small_resnet", image_size=32)
    finally:
        keras.config.set_dtype_policy(before)


def test_measures_both_and_leaves_the_model_as_it_is():
    model = build("mixed_bfloat16")
    weights = model.get_weights()
    own, plain = time_precisions(model, (2, 32, 32, 3))
    assert own > 0 < plain
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@keras.saving.register_keras_serializable(package="tests")
class SlowInLowPrecision(keras.layers.Layer):
    def call(self, x):
        import tensorflow as tf

        def wait(x):
            time.sleep(0.3 if self.compute_dtype == "bfloat16" else 0)
            return x

        y = tf.numpy_function(wait, [tf.cast(x, "float32")], tf.float32)
        y.set_shape(x.shape)
        return x + tf.cast(tf.stop_gradient(y), x.dtype)


def test_finds_the_slower_precision():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 1, dtype="mixed_bfloat16")(image)
    model = keras.Model(image, SlowInLowPrecision(dtype="mixed_bfloat16")(x))
    own, plain = time_precisions(model, (1, 8, 8, 3))
    assert own - plain == pytest.approx(0.3, abs=0.25)
