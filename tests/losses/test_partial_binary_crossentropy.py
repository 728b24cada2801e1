import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.losses import PartialBinaryCrossentropy
from tests.shared import shared_path

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=3, size=(6, 5)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, size=(6, 5)).astype("float32")


def crossentropy(targets, logits, weight=1.0):
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    return -(weight * targets * np.log(p) + (1 - targets) * np.log(1 - p))


def test_matches_the_equation_over_the_known_entries():
    known = TARGETS != -1
    expected = crossentropy(TARGETS, LOGITS)[known].mean()
    loss = PartialBinaryCrossentropy()(TARGETS, LOGITS)
    assert loss.dtype == "float32"
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_equals_torch():
    reference = np.load(shared_path("parity/losses.npz"))
    loss = PartialBinaryCrossentropy()(reference["ml/y"], reference["ml/x"])
    np.testing.assert_allclose(loss, reference["ml/soft_margin"], rtol=1e-5)
    np.testing.assert_allclose(loss, reference["ml/bce_logits"], rtol=1e-5)


def test_reduces_as_asked():
    entries = np.where(TARGETS != -1, crossentropy(TARGETS, LOGITS), 0)
    each = PartialBinaryCrossentropy(reduction=None)(TARGETS, LOGITS)
    np.testing.assert_allclose(each, entries, rtol=1e-4, atol=1e-6)
    total = PartialBinaryCrossentropy(reduction="sum")(TARGETS, LOGITS)
    np.testing.assert_allclose(total, entries.sum(), rtol=1e-5)


def test_weights_images_and_positives():
    weights = np.array([1, 0, 2, 1, 0, 1], "float32")
    positive_weight = [1.0, 2.0, 3.0, 4.0, 5.0]
    loss = PartialBinaryCrossentropy(positive_weight=positive_weight)
    known = TARGETS != -1
    entries = np.where(
        known, crossentropy(TARGETS, LOGITS, np.array(positive_weight)), 0
    )
    expected = (entries * weights[:, None]).sum() / known.sum()
    np.testing.assert_allclose(loss(TARGETS, LOGITS, weights), expected, rtol=1e-5)


def test_weights_images_when_there_are_as_many_as_labels():
    weights = np.array([1, 0, 2, 1, 0], "float32")
    targets, logits = np.abs(TARGETS[:5]), LOGITS[:5]
    expected = (crossentropy(targets, logits) * weights[:, None]).mean()
    loss = PartialBinaryCrossentropy()(targets, logits, weights)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_smooths_known_targets_only():
    smooth = np.where(TARGETS == -1, -1, TARGETS * 0.9 + 0.05)
    known = TARGETS != -1
    expected = crossentropy(smooth, LOGITS)[known].mean()
    loss = PartialBinaryCrossentropy(label_smoothing=0.1)(TARGETS, LOGITS)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_probabilities_cost_what_their_logits_cost():
    probabilities = keras.ops.sigmoid(LOGITS)
    loss = PartialBinaryCrossentropy(from_logits=False)(TARGETS, probabilities)
    np.testing.assert_allclose(
        loss, PartialBinaryCrossentropy()(TARGETS, LOGITS), rtol=1e-4
    )


def test_unknown_entries_get_no_gradient():
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = PartialBinaryCrossentropy()(TARGETS, logits)
    gradient = tape.gradient(loss, logits).numpy()
    assert (gradient[TARGETS == -1] == 0).all()
    assert (gradient[TARGETS != -1] != 0).all()


def test_a_batch_of_unknowns_costs_nothing():
    assert float(PartialBinaryCrossentropy()(np.full((6, 5), -1.0), LOGITS)) == 0


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_stays_finite_for_logits_of_any_size(dtype):
    logits = tf.Variable(tf.constant([[1e4, -1e4, 1e4, -1e4, 0.0]], dtype))
    with tf.GradientTape() as tape:
        loss = PartialBinaryCrossentropy()(np.array([[0.0, 1, 1, 0, -1]]), logits)
    assert loss.dtype == "float32"
    np.testing.assert_allclose(loss, 5000, rtol=0.01)
    assert np.isfinite(np.asarray(tape.gradient(loss, logits), "float32")).all()


def test_survives_its_config():
    loss = PartialBinaryCrossentropy(
        from_logits=False, label_smoothing=0.1, positive_weight=[1.0, 2.0]
    )
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()


def test_says_which_argument_is_out_of_its_limits():
    with pytest.raises(ValueError, match="label_smoothing=2"):
        PartialBinaryCrossentropy(label_smoothing=2)
    with pytest.raises(ValueError, match="positive_weight=0"):
        PartialBinaryCrossentropy(positive_weight=0)
    with pytest.raises(ValueError, match="reduction='mean_with_sample_weight'"):
        PartialBinaryCrossentropy(reduction="mean_with_sample_weight")
    with pytest.raises(ValueError, match="got 3 for 5 labels"):
        PartialBinaryCrossentropy(positive_weight=[1, 2, 3])(TARGETS, LOGITS)


def test_trains_under_mixed_float16_with_unknown_labels():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    logits = keras.layers.Dense(5, dtype="mixed_float16")(inputs)
    model = keras.Model(inputs, logits)
    model.compile("sgd", PartialBinaryCrossentropy())
    images = RANDOM.normal(scale=3000, size=(6, 4)).astype("float32")
    history = model.fit(images, TARGETS, batch_size=3, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_unknown_labels_may_count_as_absent_or_a_little():
    known = TARGETS != -1
    absent = PartialBinaryCrossentropy(unknown_target=0.0)(TARGETS, LOGITS)
    expected = crossentropy(np.where(known, TARGETS, 0), LOGITS)
    np.testing.assert_allclose(absent, expected.mean(), rtol=1e-5)
    loss = PartialBinaryCrossentropy(unknown_target=0.1, unknown_weight=0.25)
    entries = crossentropy(np.where(known, TARGETS, 0.1), LOGITS)
    weights = np.where(known, 1, 0.25)
    expected = (entries * weights).sum() / weights.sum()
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="unknown_target=-1"):
        PartialBinaryCrossentropy(unknown_target=-1)
    with pytest.raises(ValueError, match=r"`unknown_weight` .* got unknown_weight=-1"):
        PartialBinaryCrossentropy(unknown_target=0, unknown_weight=-1)


def test_warns_once_of_probabilities_in_the_place_of_logits():
    probabilities = RANDOM.uniform(size=(20, 5)).astype("float32")
    targets = np.ones((20, 5))
    loss = PartialBinaryCrossentropy()
    with pytest.warns(UserWarning, match=r"takes logits; got values from 0\.0"):
        loss(targets, probabilities)
    loss(targets, probabilities)  # a second warning would be an error
    PartialBinaryCrossentropy(from_logits=False)(targets, probabilities)
    PartialBinaryCrossentropy()(targets, probabilities - 0.5)


def test_warns_of_a_sigmoid_in_the_model_that_is_trained():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, activation="sigmoid")]
    )
    model.compile("sgd", PartialBinaryCrossentropy())
    with pytest.warns(UserWarning, match="got the output of a sigmoid"):
        model.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0)
