import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.losses import TwoWayLoss

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=3, size=(6, 5)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, size=(6, 5)).astype("float32")
TARGETS[3] = [0, -1, 0, 0, -1]  # an image without a present label


def two_way(targets, logits, positive, negative):
    """Computes the paper's loss set by set."""
    total = 0.0
    for rows in (
        zip(targets, logits, strict=True),
        zip(targets.T, logits.T, strict=True),
    ):
        costs = []
        for row, scores in rows:
            if not (row == 1).any():
                continue
            scores = scores.astype("float64")
            high = negative * np.log(np.exp(scores[row == 0] / negative).sum())
            low = positive * np.log(np.exp(-scores[row == 1] / positive).sum())
            costs.append(np.log1p(np.exp(high + low)))
        total += np.mean(costs)
    return total


@pytest.mark.parametrize(("positive", "negative"), [(4, 1), (1, 1), (0.5, 3)])
def test_matches_the_equations_over_the_known_entries(positive, negative):
    loss = TwoWayLoss(positive_temperature=positive, negative_temperature=negative)
    expected = two_way(TARGETS, LOGITS, positive, negative)
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-5)


def test_its_gradient_is_that_of_the_equations():
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = TwoWayLoss()(TARGETS, logits)
    gradient = tape.gradient(loss, logits).numpy()
    for index in np.ndindex(*LOGITS.shape):
        step = np.zeros_like(LOGITS, dtype="float64")
        step[index] = 1e-5
        up, down = (two_way(TARGETS, LOGITS + s * step, 4, 1) for s in (1, -1))
        np.testing.assert_allclose(gradient[index], (up - down) / 2e-5, atol=1e-5)
    assert not gradient[TARGETS == -1].any()


@pytest.mark.parametrize("fill", [-1.0, 0.0, 1.0])
def test_without_a_contrast_nothing_is_lost(fill):
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = TwoWayLoss()(np.full((6, 5), fill), logits)
    assert float(loss) == 0
    assert not tape.gradient(loss, logits).numpy().any()


def test_unknown_entries_change_nothing():
    changed = np.where(TARGETS == -1, 50.0, LOGITS)
    loss = TwoWayLoss()
    np.testing.assert_allclose(loss(TARGETS, changed), loss(TARGETS, LOGITS))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_stays_finite_for_logits_of_any_size(dtype):
    logits = tf.Variable(tf.constant([[6e4, -6e4, 6e4, -6e4, 0.0, 1.0]], dtype))
    with tf.GradientTape() as tape:
        loss = TwoWayLoss()(np.array([[0.0, 1, 1, 0, -1, 0]]), logits)
    assert loss.dtype == "float32" and np.isfinite(loss)
    assert np.isfinite(np.asarray(tape.gradient(loss, logits), "float32")).all()


def test_weighs_images():
    parts = TwoWayLoss(reduction=None)(TARGETS, LOGITS)
    assert parts.shape == (6,)
    np.testing.assert_allclose(np.mean(parts), TwoWayLoss()(TARGETS, LOGITS), rtol=1e-6)
    weights = np.arange(6.0, dtype="float32")
    expected = np.mean(weights * parts)
    for shape in ((6,), (6, 1)):
        loss = TwoWayLoss()(TARGETS, LOGITS, weights.reshape(shape))
        np.testing.assert_allclose(loss, expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"one per image.*\(6, 5\)"):
        TwoWayLoss()(TARGETS, LOGITS, np.ones((6, 5)))


def test_trains_inside_a_graph():
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.layers.Dense(5)(inputs))
    model.compile(keras.optimizers.SGD(0.5), TwoWayLoss())
    history = model.fit(LOGITS, TARGETS, epochs=20, batch_size=6, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]


def test_survives_its_config():
    loss = TwoWayLoss(positive_temperature=2, negative_temperature=3)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()


@pytest.mark.parametrize("argument", ["positive_temperature", "negative_temperature"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_says_which_temperature_is_out_of_its_limits(argument, value):
    with pytest.raises(ValueError, match=f"{argument}={value}"):
        TwoWayLoss(**{argument: value})
