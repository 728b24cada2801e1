import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import JointLogits
from kmlic.losses import PartialBinaryCrossentropy
from kmlic.models.joint_model import JointModel
from kmlic.training import make_strategy

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(8, 6)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, (8, 3)).astype("float32")
LOSS = PartialBinaryCrossentropy()


def build(weight=0.5):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    part = keras.layers.Dense(3, name="part")(inputs)
    whole = keras.layers.Dense(3, name="whole")(keras.layers.ReLU()(part))
    return JointModel(inputs, JointLogits(weight, name="logits")(whole, part))


def test_adds_the_weighted_loss_of_the_second_logits():
    model = build(weight=0.25)
    both = model(INPUTS, training=True)
    expected = LOSS(TARGETS, both[:, :3]) + 0.25 * LOSS(TARGETS, both[:, 3:])
    model.compile("sgd", LOSS)

    loss = model.train_on_batch(INPUTS, TARGETS)

    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_judges_the_first_logits_alone():
    model = build()
    model.compile("sgd", LOSS, metrics=[keras.metrics.MeanSquaredError(name="mse")])
    logits = model.predict(INPUTS, verbose=0)
    assert logits.shape == (8, 3)

    values = model.evaluate(INPUTS, TARGETS, verbose=0, return_dict=True)

    np.testing.assert_allclose(values["loss"], LOSS(TARGETS, logits), rtol=1e-5)
    expected = np.mean((TARGETS - logits) ** 2)
    np.testing.assert_allclose(values["mse"], expected, rtol=1e-5)
    trained = model.train_on_batch(INPUTS, TARGETS, return_dict=True)
    np.testing.assert_allclose(trained["mse"], expected, rtol=1e-5)


def test_a_weight_of_zero_trains_as_without_the_second_loss():
    model = build(weight=0)
    plain = keras.Model(model.input, model.get_layer("whole").output)
    start = plain.get_weights()
    results = []
    for each in (model, plain):
        each.set_weights(start)
        each.compile(keras.optimizers.SGD(0.1), LOSS)
        each.fit(INPUTS, TARGETS, epochs=2, shuffle=False, verbose=0)
        results.append(each.get_weights())
    for ours, expected in zip(*results, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_trains_alike_on_two_replicas():
    results = []
    for name in ("single", "mirrored"):
        with make_strategy(name).scope():
            model = build()
            model.compile(keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError())
        batches = tf.data.Dataset.from_tensor_slices((INPUTS, TARGETS)).batch(8)
        model.fit(batches, epochs=2, shuffle=False, verbose=0)
        results.append(model.get_weights())
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_survives_the_file(tmp_path):
    model = build(weight=0.25)
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(copy, JointModel) and copy.get_layer("logits").weight == 0.25
    np.testing.assert_allclose(copy(INPUTS), model(INPUTS), rtol=1e-6)


def test_says_that_it_needs_a_loss_object():
    model = build()
    model.compile("sgd", "binary_crossentropy")
    with pytest.raises(ValueError, match=r"keras\.Loss.*'binary_crossentropy'"):
        model.train_on_batch(INPUTS, TARGETS)
