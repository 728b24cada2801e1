import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.losses import SoftmaxRank

RANDOM = np.random.default_rng(0)
SIMILARITIES = RANDOM.uniform(-1, 1, size=(6, 5)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, size=(6, 5)).astype("float32")
TARGETS[4], TARGETS[5] = 0, -1


def expected_losses(temperature, same=()):
    losses = []
    for targets, scores in zip(TARGETS, SIMILARITIES, strict=True):
        present = np.flatnonzero(targets == 1)
        wrong = [
            label
            for label in np.flatnonzero(targets == 0)
            if not any(label in group and set(group) & set(present) for group in same)
        ]
        powers = np.exp(scores.astype("float64") / temperature)
        costs = [
            -np.log(powers[right] / (powers[right] + powers[wrong].sum()))
            for right in present
        ]
        losses.append(np.mean(costs) if len(costs) else 0.0)
    return np.array(losses)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1])
@pytest.mark.parametrize("same", [(), ((0, 3), (1, 2))])
def test_is_the_cross_entropy_among_the_wrong_labels(temperature, same):
    loss = SoftmaxRank(temperature, shared_labels=same, reduction=None)
    expected = expected_losses(temperature, same)
    np.testing.assert_allclose(
        loss(TARGETS, SIMILARITIES), expected, rtol=1e-4, atol=1e-6
    )
    mean = SoftmaxRank(temperature, shared_labels=same)(TARGETS, SIMILARITIES)
    shows = (TARGETS == 1).any(axis=1)
    np.testing.assert_allclose(mean, expected[shows].mean(), rtol=1e-4)


def test_of_one_label_an_image_it_is_keras_cross_entropy():
    targets = np.eye(5, dtype="float32")[[0, 3, 3, 1, 4, 2]]
    expected = keras.losses.CategoricalCrossentropy(from_logits=True)
    np.testing.assert_allclose(
        SoftmaxRank(0.2)(targets, SIMILARITIES),
        expected(targets, SIMILARITIES / np.float32(0.2)),
        rtol=1e-5,
    )


def test_labels_of_one_vector_are_not_ranked():
    loss = SoftmaxRank(shared_labels=[(0, 1)])
    assert float(loss(np.array([[1.0, 0.0]]), np.array([[0.2, 0.9]]))) == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_is_float32_whatever_it_is_given(dtype):
    scores = tf.Variable(tf.cast(SIMILARITIES, dtype))
    with tf.GradientTape() as tape:
        loss = SoftmaxRank(0.01)(TARGETS, scores)
    assert loss.dtype == "float32"
    assert np.isfinite(np.asarray(tape.gradient(loss, scores), "float32")).all()


def test_a_batch_without_labels_costs_nothing():
    assert float(SoftmaxRank()(TARGETS[4:], SIMILARITIES[4:])) == 0


def test_an_image_without_wrong_labels_costs_nothing():
    scores = tf.Variable([[0.1, 0.2]])
    with tf.GradientTape() as tape:
        loss = SoftmaxRank()(np.array([[1.0, -1.0]]), scores)
    assert float(loss) == 0
    assert not np.asarray(tape.gradient(loss, scores)).any()


def test_survives_its_config():
    loss = SoftmaxRank(0.2, shared_labels=[(0, 2)], reduction="sum")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()


def test_says_which_argument_is_out_of_its_limits():
    with pytest.raises(ValueError, match="temperature=0"):
        SoftmaxRank(0)
    with pytest.raises(ValueError, match=r"got \[2\]"):
        SoftmaxRank(shared_labels=[(2,)])
