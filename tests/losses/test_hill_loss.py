import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.losses import HillLoss

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=3, size=(6, 5)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, size=(6, 5)).astype("float32")


def hill(targets, logits, weight, margin, gamma):
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    q = 1 / (1 + np.exp(margin - logits.astype("float64")))
    present = -((1 - q) ** gamma) * np.log(q)
    absent = (weight - p) * p**2
    return np.where(targets == 1, present, absent)


@pytest.mark.parametrize(
    ("weight", "margin", "gamma"), [(1.5, 1, 2), (1, 0.5, 0), (2, 0, 1)]
)
def test_matches_the_equations_over_the_known_entries(weight, margin, gamma):
    loss = HillLoss(weight=weight, margin=margin, gamma=gamma)
    known = TARGETS != -1
    expected = hill(TARGETS, LOGITS, weight, margin, gamma)[known].mean()
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-5)


def test_counts_unknown_labels_as_absent_on_request():
    loss = HillLoss(unknown_target=0, reduction=None)
    expected = hill(np.maximum(TARGETS, 0), LOGITS, 1.5, 1, 2)
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-4)


def test_trusts_absent_labels_less_the_more_present_they_look():
    logits = tf.Variable([[-2.0, 0.0, 6.0]])
    with tf.GradientTape() as tape:
        loss = HillLoss(reduction="sum")(np.zeros((1, 3)), logits)
    low, middle, high = tape.gradient(loss, logits).numpy()[0]
    assert middle > low > 0 and middle > high > 0
    # At p = 1 the slope in p is 2 * 1.5 - 3 = 0.
    assert high < 1e-4


def test_a_batch_of_unknowns_costs_nothing():
    assert float(HillLoss()(np.full((6, 5), -1.0), LOGITS)) == 0


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_stays_finite_for_logits_of_any_size(dtype):
    logits = tf.Variable(tf.constant([[6e4, -6e4, 6e4, -6e4, 0.0]], dtype))
    with tf.GradientTape() as tape:
        loss = HillLoss()(np.array([[0.0, 1, 1, 0, -1]]), logits)
    assert loss.dtype == "float32" and np.isfinite(loss)
    assert np.isfinite(np.asarray(tape.gradient(loss, logits), "float32")).all()


def test_survives_its_config():
    loss = HillLoss(weight=2, margin=0.5, gamma=1, unknown_target=0, reduction="sum")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()


def test_says_which_argument_is_out_of_its_limits():
    with pytest.raises(ValueError, match=r"weight=0\.5"):
        HillLoss(weight=0.5)
    with pytest.raises(ValueError, match="gamma=-1"):
        HillLoss(gamma=-1)
