import keras
import numpy as np
import pytest

from kmlic.training import (
    CoupledSGD,
    LayerwiseAdamW,
    accumulate_gradients,
    make_strategy,
)

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(48, 6)).astype("float32")
Y = X[:, :2] ** 2


def trained(optimizer, parts, strategy="single"):
    keras.utils.set_random_seed(0)
    with make_strategy(strategy).scope():
        inputs = keras.Input((6,))
        x = keras.layers.Dense(5, activation="relu", name="backbone")(inputs)
        model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
        model.compile(optimizer(), "mse", metrics=["mae"])
    accumulate_gradients(model, parts)
    history = model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    return model, history


OPTIMIZERS = {
    "sgd": lambda: CoupledSGD(
        keras.optimizers.schedules.CosineDecay(0.1, 12),
        l2=0.01,
        global_clipnorm=0.5,
        multipliers={"backbone": 0.1},
    ),
    "adam": lambda: LayerwiseAdamW(
        0.01, 0.1, global_clipnorm=0.5, multipliers={"backbone": 0.1}
    ),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(
        CoupledSGD(0.1, global_clipnorm=0.5)
    ),
}


@pytest.mark.parametrize(
    ("name", "strategy"),
    [("sgd", "mirrored"), ("adam", "single"), ("scaled", "mirrored")],
)
def test_parts_train_like_the_whole_batch(name, strategy):
    whole, expected = trained(OPTIMIZERS[name], 1)
    parts, history = trained(OPTIMIZERS[name], 2, strategy)
    assert parts.optimizer.iterations.numpy() == 12
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-5)
    for one, other in zip(parts.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


def test_refuses_a_model_with_a_step_of_its_own():
    images = keras.Input((8, 8, 3))
    model = OwnStep(images, keras.layers.GlobalAveragePooling2D()(images))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"OwnStep, which .* got parts=2"):
        accumulate_gradients(model, 2)


def test_says_what_does_not_divide():
    with pytest.raises(ValueError, match="got parts=0"):
        trained(OPTIMIZERS["sgd"], 0)
    with pytest.raises(ValueError, match="8 images of a replica's batch; got parts=3"):
        trained(OPTIMIZERS["sgd"], 3)
