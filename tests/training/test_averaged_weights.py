import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import FusedBatchNorm
from kmlic.training import CoupledSGD, fit, make_strategy, recompute_batch_norm

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(2.0, 3.0, size=(24, 4, 4, 2)).astype("float32")
TARGETS = (IMAGES.mean(axis=(1, 2)) > 2).astype("float32")
BATCHES = tf.data.Dataset.from_tensor_slices((IMAGES, TARGETS)).batch(8)
MOMENTUM = 0.5


def make_model(strategy="single"):
    keras.utils.set_random_seed(0)
    with make_strategy(strategy).scope():
        images = keras.Input((4, 4, 2))
        x = keras.layers.Conv2D(3, 1)(images)
        x = FusedBatchNorm(name="fused")(x)
        x = keras.layers.Conv2D(3, 1)(x)
        x = keras.layers.BatchNormalization(name="plain")(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        model = keras.Model(images, keras.layers.Dense(2, name="logits")(x))
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(CoupledSGD(0.1), loss)
    return model


class Remember(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append([v.numpy() for v in self.model.trainable_variables])


def test_the_average_is_scored_and_kept_and_the_training_left_alone(tmp_path):
    plain, averaged = Remember(), Remember()
    fit(
        make_model("mirrored"),
        BATCHES,
        BATCHES,
        epochs=3,
        folder=tmp_path / "a",
        callbacks=[plain],
    )
    model = make_model("mirrored")
    seen = []

    def metrics(model, dataset):
        seen.append(model.get_weights())
        return {"mAP": float(len(seen))}

    fit(
        model,
        BATCHES,
        BATCHES,
        epochs=3,
        folder=tmp_path / "b",
        ema=MOMENTUM,
        metrics=metrics,
        callbacks=[averaged],
    )
    for one, other in zip(plain.weights, averaged.weights, strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)
    expected = averaged.weights[0]
    for weights in averaged.weights[1:]:
        expected = [
            MOMENTUM * mean + (1 - MOMENTUM) * weight
            for mean, weight in zip(expected, weights, strict=True)
        ]
    for variable, mean in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), mean, rtol=1e-5, atol=1e-7)
    for kept, scored in zip(model.get_weights(), seen[-1], strict=True):
        np.testing.assert_array_equal(kept, scored)


def test_an_interrupted_average_goes_on(tmp_path):
    expected = make_model()
    fit(expected, BATCHES, BATCHES, epochs=3, folder=tmp_path / "a", ema=0.9)
    for epochs in (2, 3):
        model = make_model()
        fit(model, BATCHES, BATCHES, epochs=epochs, folder=tmp_path / "b", ema=0.9)
    for one, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_statistics_are_those_of_the_batches():
    model = make_model()
    frozen = model.get_layer("plain")
    frozen.trainable = False
    before = frozen.moving_mean.numpy()
    trained = [v.numpy() for v in model.trainable_variables]
    recompute_batch_norm(model, [images for images, _ in BATCHES])
    np.testing.assert_array_equal(frozen.moving_mean.numpy(), before)
    for variable, value in zip(model.trainable_variables, trained, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    layer = model.get_layer("fused")
    maps = keras.Model(model.input, layer.input)(IMAGES).numpy().reshape(3, -1, 3)
    np.testing.assert_allclose(
        layer.moving_mean.numpy(), maps.mean(axis=(0, 1)), rtol=1e-5
    )
    np.testing.assert_allclose(
        layer.moving_variance.numpy(), maps.var(axis=1, ddof=1).mean(axis=0), rtol=1e-5
    )
    assert layer.momentum == 0.99


def test_says_which_momentum_is_wrong(tmp_path):
    with pytest.raises(ValueError, match=r"got ema=1\.0"):
        fit(make_model(), BATCHES, BATCHES, epochs=1, folder=tmp_path, ema=1.0)
