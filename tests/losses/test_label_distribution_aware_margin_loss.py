import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.losses import LabelDistributionAwareMarginLoss, PartialBinaryCrossentropy

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=3, size=(6, 5)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, size=(6, 5)).astype("float32")
POSITIVES, NEGATIVES = np.array([9, 1, 3, 0, 2]), np.array([1, 9, 7, 160, 8])
WEIGHTS = np.array([0.5, 1, 2, 4, 8])


def margin_loss(targets, logits, largest, scale, weights=1.0):
    logits = logits.astype("float64")
    # No image counts as one, and one image has the largest margin.
    present, absent = (
        largest / np.maximum(n, 1) ** 0.25 for n in (POSITIVES, NEGATIVES)
    )
    costs = np.where(
        targets == 1,
        -weights * np.log(1 / (1 + np.exp(-scale * (logits - present)))),
        -np.log(1 / (1 + np.exp(scale * (logits + absent)))),
    )
    return costs[targets != -1]


@pytest.mark.parametrize(("largest", "scale"), [(0.5, 1), (2, 3), (0, 30)])
def test_matches_the_equations_and_their_gradient(largest, scale):
    loss = LabelDistributionAwareMarginLoss(
        POSITIVES, NEGATIVES, largest_margin=largest, scale=scale, reduction="sum"
    )
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        value = loss(TARGETS, logits)
    expected = margin_loss(TARGETS, LOGITS, largest, scale).sum()
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    step = 1e-3 * RANDOM.normal(size=LOGITS.shape)
    slope = [
        margin_loss(TARGETS, LOGITS + side * step, largest, scale).sum()
        for side in (1, -1)
    ]
    found = (tape.gradient(value, logits).numpy() * step).sum()
    np.testing.assert_allclose(found, (slope[0] - slope[1]) / 2, rtol=1e-3)


def test_weights_are_deferred_to_a_step():
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.layers.Dense(5)(inputs))
    optimizer = keras.optimizers.SGD(0.0)
    loss = LabelDistributionAwareMarginLoss(
        POSITIVES,
        NEGATIVES,
        positive_weight=WEIGHTS,
        step=optimizer.iterations,
        start=2,
        reduction="sum",
    )
    model.compile(optimizer, loss)
    history = model.fit(LOGITS, TARGETS, epochs=4, batch_size=6, verbose=0)
    logits = model.predict(LOGITS, verbose=0)
    before, after = (
        margin_loss(TARGETS, logits, 0.5, 1, weights).sum() for weights in (1, WEIGHTS)
    )
    assert after > 1.1 * before
    found = history.history["loss"]
    np.testing.assert_allclose(found, [before, before, after, after], rtol=1e-4)


def test_is_the_crossentropy_without_margins():
    loss = LabelDistributionAwareMarginLoss(POSITIVES, NEGATIVES, largest_margin=0)
    expected = PartialBinaryCrossentropy()(TARGETS, LOGITS)
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_stays_finite_for_logits_of_any_size(dtype):
    logits = tf.Variable(tf.constant([[6e4, -6e4, 6e4, -6e4, 0.0]], dtype))
    loss = LabelDistributionAwareMarginLoss(POSITIVES, NEGATIVES)
    with tf.GradientTape() as tape:
        value = loss(np.array([[0.0, 1, 1, 0, -1]]), logits)
    assert value.dtype == "float32" and np.isfinite(value)
    assert np.isfinite(np.asarray(tape.gradient(value, logits), "float32")).all()


def test_a_batch_of_unknowns_costs_nothing():
    loss = LabelDistributionAwareMarginLoss(POSITIVES, NEGATIVES)
    assert float(loss(np.full((6, 5), -1.0), LOGITS)) == 0


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (([1], [1, 2]), r"one number per label; got shapes \(1,\) and \(2,\)"),
        (([], []), r"got shapes \(0,\)"),
        (([-1], [1]), "0 or above; got -1"),
    ],
)
def test_says_which_numbers_of_images_it_needs(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        LabelDistributionAwareMarginLoss(*arguments)
    with pytest.raises(ValueError, match="got 2 for 5 labels"):
        LabelDistributionAwareMarginLoss([1, 2], [1, 2])(TARGETS, LOGITS)


@pytest.mark.parametrize(
    "argument", [{"largest_margin": -1}, {"scale": 0}, {"start": -1}]
)
def test_says_which_argument_is_out_of_its_limits(argument):
    ((name, value),) = argument.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        LabelDistributionAwareMarginLoss([1], [1], **argument)
