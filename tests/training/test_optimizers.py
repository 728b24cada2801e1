import json

import keras
import numpy as np
import pytest

from kmlic.models import build_classifier
from kmlic.training import CoupledSGD, LayerwiseAdamW, part_multipliers
from kmlic.training.strategies import make_strategy

RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.normal(size=(3, 2)).astype("float32")
GRADIENTS = RANDOM.normal(size=(4, 3, 2)).astype("float32") * 3


def _apply(optimizer, name="backbone/kernel"):
    layer, weight = name.split("/")
    with keras.name_scope(layer):
        variable = keras.Variable(WEIGHT, name=weight)
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return variable.numpy()


def test_coupled_sgd_is_torchs_rule_in_numpy():
    weight, momentum = WEIGHT.astype("float64"), np.zeros_like(WEIGHT, "float64")
    for gradient in GRADIENTS.astype("float64"):
        gradient = gradient * min(1, 2.0 / np.linalg.norm(gradient))
        gradient = gradient + 0.1 * weight
        momentum = 0.9 * momentum + gradient
        weight = weight - 0.05 * 0.5 * momentum
    actual = _apply(
        CoupledSGD(
            0.05, 0.9, l2=0.1, multipliers={"backbone": 0.5}, global_clipnorm=2.0
        )
    )
    np.testing.assert_allclose(actual, weight, rtol=1e-5)


@pytest.mark.parametrize("arguments", [{"momentum": 0.0}, {"nesterov": True}])
def test_without_decay_it_is_keras_sgd(arguments):
    arguments = {"momentum": 0.9, **arguments}
    np.testing.assert_allclose(
        _apply(CoupledSGD(0.05, **arguments)),
        _apply(keras.optimizers.SGD(0.05, **arguments)),
        rtol=1e-6,
    )


def test_a_layers_factor_scales_adams_step():
    slow = _apply(LayerwiseAdamW(0.01, 0.0, multipliers={"backbone": 0.1}))
    fast = _apply(LayerwiseAdamW(0.001, 0.0))
    np.testing.assert_allclose(slow, fast, rtol=1e-6)


@pytest.mark.parametrize("optimizer_class", [CoupledSGD, LayerwiseAdamW])
def test_a_prefix_that_fits_no_weight_is_refused(optimizer_class):
    with pytest.raises(ValueError, match="got 'head', which matches none of"):
        _apply(optimizer_class(0.001, multipliers={"head": 0.1}))


@pytest.mark.parametrize("optimizer_class", [CoupledSGD, LayerwiseAdamW])
def test_a_backbone_of_factor_zero_stays_as_it_is(optimizer_class):
    model = build_classifier(2, backbone="small_resnet", image_size=32)
    backbone = model.get_layer("small_resnet")
    before = [weight.numpy() for weight in backbone.trainable_variables]
    head = model.get_layer("logits").kernel.numpy()
    model.compile(
        optimizer_class(0.1, multipliers=part_multipliers(backbone, 0.0)),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3))
    model.fit(images, np.eye(4, 2), verbose=0)
    for weight, old in zip(backbone.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)
    assert np.abs(model.get_layer("logits").kernel.numpy() - head).max() > 0


def test_adam_does_not_decay_biases():
    bias, kernel = keras.Variable([1.0]), keras.Variable([[1.0]])
    optimizer = LayerwiseAdamW(0.1, weight_decay=0.5)
    optimizer.apply([keras.ops.zeros(1), keras.ops.zeros((1, 1))], [bias, kernel])
    assert float(bias.numpy()[0]) == 1.0
    np.testing.assert_allclose(kernel.numpy(), [[0.95]], rtol=1e-6)


@pytest.mark.parametrize("optimizer_class", [CoupledSGD, LayerwiseAdamW])
def test_two_replicas_train_like_one(optimizer_class):
    def train(strategy):
        keras.utils.set_random_seed(0)
        with make_strategy(strategy).scope():
            model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
            optimizer = optimizer_class(0.1, global_clipnorm=0.1)
            model.compile(optimizer, "mse")
        x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
        model.fit(x, x[:, :3] ** 2, batch_size=16, verbose=0, shuffle=False)
        return model.get_weights()

    for one, two in zip(train("single"), train("mirrored"), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-6)


@pytest.mark.parametrize("optimizer_class", [CoupledSGD, LayerwiseAdamW])
def test_config_round_trip(optimizer_class):
    optimizer = optimizer_class(0.1, multipliers={"a": 0.5}, global_clipnorm=1.0)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(optimizer)))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == optimizer.get_config()


def test_says_which_factor_is_wrong():
    with pytest.raises(ValueError, match=r"got -1 for 'head'"):
        CoupledSGD(multipliers={"head": -1})
    with pytest.raises(ValueError, match=r"got l2=-0\.1"):
        CoupledSGD(l2=-0.1)
