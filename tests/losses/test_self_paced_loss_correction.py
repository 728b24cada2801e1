import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.losses import SelfPacedLossCorrection

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=3, size=(6, 5)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, size=(6, 5)).astype("float32")


def focal(p, gamma):
    return -((1 - p) ** gamma) * np.log(p)


def corrected(targets, logits, threshold, margin, gamma):
    logits = logits.astype("float64")
    p, q = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(margin - logits))
    absent = np.where(p > threshold, focal(p, gamma), focal(1 - p, gamma))
    return np.where(targets == 1, focal(q, gamma), absent)


@pytest.mark.parametrize(
    ("threshold", "margin", "gamma"), [(0.6, 1, 2), (0.9, 0, 0), (1, 0.5, 1)]
)
def test_matches_the_equations_over_the_known_entries(threshold, margin, gamma):
    loss = SelfPacedLossCorrection(threshold=threshold, margin=margin, gamma=gamma)
    known = TARGETS != -1
    expected = corrected(TARGETS, LOGITS, threshold, margin, gamma)[known].mean()
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-4)


def test_corrects_from_the_step_on_that_it_starts_at():
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.layers.Dense(5)(inputs))
    optimizer = keras.optimizers.SGD(0.0)
    loss = SelfPacedLossCorrection(
        step=optimizer.iterations, start=2, unknown_target=0, reduction="sum"
    )
    model.compile(optimizer, loss)
    history = model.fit(LOGITS, TARGETS, epochs=4, batch_size=6, verbose=0)
    found = np.array(history.history["loss"])
    targets, logits = np.maximum(TARGETS, 0), model.predict(LOGITS, verbose=0)
    before = corrected(targets, logits, 1, 1, 2).sum()
    after = corrected(targets, logits, 0.6, 1, 2).sum()
    assert before > 1.1 * after
    np.testing.assert_allclose(found, [before, before, after, after], rtol=1e-4)


def test_a_batch_of_unknowns_costs_nothing():
    assert float(SelfPacedLossCorrection()(np.full((6, 5), -1.0), LOGITS)) == 0


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_stays_finite_for_logits_of_any_size(dtype):
    logits = tf.Variable(tf.constant([[6e4, -6e4, 6e4, -6e4, 0.0]], dtype))
    with tf.GradientTape() as tape:
        loss = SelfPacedLossCorrection()(np.array([[0.0, 1, 1, 0, -1]]), logits)
    assert loss.dtype == "float32" and np.isfinite(loss)
    assert np.isfinite(np.asarray(tape.gradient(loss, logits), "float32")).all()


def test_survives_its_config():
    loss = SelfPacedLossCorrection(
        threshold=0.7, margin=0.5, gamma=1, start=9, unknown_target=0, reduction="sum"
    )
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()


@pytest.mark.parametrize("argument", [{"threshold": 1.5}, {"gamma": -1}, {"start": -1}])
def test_says_which_argument_is_out_of_its_limits(argument):
    ((name, value),) = argument.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        SelfPacedLossCorrection(**argument)
