import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.losses import AsymmetricLoss, PartialBinaryCrossentropy
from tests.shared import shared_path

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=3, size=(6, 5)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, size=(6, 5)).astype("float32")


def asymmetric(targets, logits, negative, positive, clip):
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    q = np.maximum(p - clip, 0)
    present = -((1 - p) ** positive) * np.log(p)
    absent = -(q**negative) * np.log(1 - q)
    return np.where(targets == 1, present, absent)


@pytest.mark.parametrize(
    ("negative", "positive", "clip"),
    [(4, 1, 0.05), (4, 0, 0.05), (2, 1, 0), (0.5, 0.5, 0.2), (0, 0, 0.1)],
)
def test_matches_the_equations_over_the_known_entries(negative, positive, clip):
    loss = AsymmetricLoss(gamma_negative=negative, gamma_positive=positive, clip=clip)
    known = TARGETS != -1
    expected = asymmetric(TARGETS, LOGITS, negative, positive, clip)[known].mean()
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-5)


def test_without_gammas_and_clip_it_is_the_crossentropy():
    loss = AsymmetricLoss(gamma_negative=0, gamma_positive=0, clip=0)
    expected = PartialBinaryCrossentropy()(TARGETS, LOGITS)
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-6)


@pytest.mark.parametrize("gamma", [0, 2])
def test_with_equal_gammas_it_is_the_focal_loss(gamma):
    reference = np.load(shared_path("parity/losses.npz"))
    logits, classes = reference["focal/logits"].astype("float64"), reference["focal/y"]
    # The reference is a softmax over classes: one class against all others together.
    own = np.take_along_axis(logits, classes[:, None], axis=1)
    others = np.exp(logits).sum(axis=1, keepdims=True) - np.exp(own)
    margins = (own - np.log(others)).astype("float32")
    loss = AsymmetricLoss(
        gamma_negative=gamma, gamma_positive=gamma, clip=0, reduction=None
    )
    expected = reference[f"focal/g{gamma}"]
    present = loss(np.ones_like(margins), margins)
    np.testing.assert_allclose(present[:, 0], expected, rtol=1e-4)
    absent = loss(np.zeros_like(margins), -margins)
    np.testing.assert_allclose(absent[:, 0], expected, rtol=1e-4)


def test_negatives_below_the_clip_cost_nothing():
    loss = AsymmetricLoss(clip=0.05, reduction=None)
    losses = loss(np.zeros((1, 3)), np.array([[-9.0, -3.0, 0.0]]))
    assert losses[0, 0] == 0 and losses[0, 1] == 0 and losses[0, 2] > 0


def test_a_batch_of_unknowns_costs_nothing():
    assert float(AsymmetricLoss()(np.full((6, 5), -1.0), LOGITS)) == 0


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("gamma", [0, 0.5, 1, 4])
@pytest.mark.parametrize("clip", [0, 0.05])
def test_stays_finite_for_logits_of_any_size(dtype, gamma, clip):
    logits = tf.Variable(tf.constant([[1e4, -1e4, 1e4, -1e4, 0.0, -2.9444]], dtype))
    loss_fn = AsymmetricLoss(gamma_negative=gamma, gamma_positive=gamma, clip=clip)
    with tf.GradientTape() as tape:
        loss = loss_fn(np.array([[0.0, 1, 1, 0, -1, 0]]), logits)
    assert loss.dtype == "float32" and np.isfinite(loss)
    assert np.isfinite(np.asarray(tape.gradient(loss, logits), "float32")).all()


def test_survives_its_config():
    loss = AsymmetricLoss(gamma_negative=3, gamma_positive=0, clip=0.1, reduction="sum")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()


def test_says_which_argument_is_out_of_its_limits():
    with pytest.raises(ValueError, match="gamma_negative=-1"):
        AsymmetricLoss(gamma_negative=-1)
    with pytest.raises(ValueError, match="clip=1"):
        AsymmetricLoss(clip=1)
