import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import LabelSimilarity
from kmlic.losses import HingeRank
from tests.shared import shared_path

RANDOM = np.random.default_rng(0)
SIMILARITIES = RANDOM.normal(size=(6, 5)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, size=(6, 5)).astype("float32")
TARGETS[4], TARGETS[5] = 0, -1


def expected_losses(margin, same=()):
    losses = []
    for targets, scores in zip(TARGETS, SIMILARITIES, strict=True):
        present = np.flatnonzero(targets == 1)
        wrong = [
            label
            for label in np.flatnonzero(targets == 0)
            if not any(label in group and set(group) & set(present) for group in same)
        ]
        sums = [
            sum(max(0, margin - scores[right] + scores[label]) for label in wrong)
            for right in present
        ]
        losses.append(np.mean(sums) if len(sums) else 0.0)
    return np.array(losses)


@pytest.mark.parametrize("margin", [0, 0.1, 1])
@pytest.mark.parametrize("same", [(), ((0, 3), (1, 2))])
def test_matches_the_equation_over_all_labels(margin, same):
    loss = HingeRank(margin, shared_labels=same, reduction=None)
    expected = expected_losses(margin, same)
    np.testing.assert_allclose(loss(TARGETS, SIMILARITIES), expected, rtol=1e-5)
    mean = HingeRank(margin, shared_labels=same)(TARGETS, SIMILARITIES)
    shows = (TARGETS == 1).any(axis=1)
    np.testing.assert_allclose(mean, expected[shows].mean(), rtol=1e-5)


def test_matches_torch():
    arrays = np.load(shared_path("parity/losses.npz"))
    losses = []
    for pred, *pair in zip(
        *(arrays[f"devise/{key}"] for key in ("pred", "true", "neg")), strict=True
    ):
        cosines = LabelSimilarity()(pred[None], np.stack(pair))
        losses.append(float(HingeRank(0.1)(np.array([[1.0, 0.0]]), cosines)))
    np.testing.assert_allclose(losses, arrays["devise/hinge_rank_0.1"], rtol=1e-5)


def test_costs_nothing_once_every_wrong_label_is_a_margin_away():
    targets = np.array([[1.0, 0.0, 0.0]])
    assert float(HingeRank(0.1)(targets, np.array([[0.5, 0.39, -1.0]]))) == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_is_float32_whatever_it_is_given(dtype):
    scores = tf.Variable(tf.cast(SIMILARITIES, dtype))
    with tf.GradientTape() as tape:
        loss = HingeRank()(TARGETS, scores)
    assert loss.dtype == "float32"
    assert np.isfinite(np.asarray(tape.gradient(loss, scores), "float32")).all()


def test_a_batch_without_labels_costs_nothing():
    assert float(HingeRank()(TARGETS[4:], SIMILARITIES[4:])) == 0


def test_survives_its_config():
    loss = HingeRank(0.2, shared_labels=[(0, 2)], reduction="sum")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()


def test_says_which_argument_is_out_of_its_limits():
    with pytest.raises(ValueError, match="margin=-1"):
        HingeRank(-1)
    with pytest.raises(ValueError, match=r"got \[2\]"):
        HingeRank(shared_labels=[(2,)])
