import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.losses import AsymmetricLoss, FocalLoss, PartialBinaryCrossentropy

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=3, size=(6, 5)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, size=(6, 5)).astype("float32")
KNOWN = TARGETS != -1


def focal(targets, logits, gamma, weight=1.0):
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    present = -weight * (1 - p) ** gamma * np.log(p)
    absent = -(p**gamma) * np.log(1 - p)
    return targets * present + (1 - targets) * absent


@pytest.mark.parametrize("gamma", [0, 0.5, 2, 5])
def test_matches_the_equation_over_the_known_entries(gamma):
    expected = focal(TARGETS, LOGITS, gamma)[KNOWN].mean()
    np.testing.assert_allclose(
        FocalLoss(gamma=gamma)(TARGETS, LOGITS), expected, rtol=1e-5
    )


def test_weighs_the_positives_of_each_label():
    weights = np.array([0.5, 1, 2, 4, 8])
    loss = FocalLoss(positive_weight=weights, reduction="sum")
    expected = focal(TARGETS, LOGITS, 2, weights)[KNOWN].sum()
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-5)


def test_unknown_labels_may_count_as_hardly_present():
    loss = FocalLoss(unknown_target=0.1, reduction="sum")
    expected = focal(np.where(KNOWN, TARGETS, 0.1), LOGITS, 2).sum()
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-5)


def test_it_lies_between_the_crossentropy_and_the_asymmetric_loss():
    crossentropy = PartialBinaryCrossentropy()(TARGETS, LOGITS)
    np.testing.assert_allclose(FocalLoss(gamma=0)(TARGETS, LOGITS), crossentropy)
    asymmetric = AsymmetricLoss(gamma_negative=3, gamma_positive=3, clip=0)
    np.testing.assert_allclose(
        FocalLoss(gamma=3)(TARGETS, LOGITS), asymmetric(TARGETS, LOGITS), rtol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_loss_and_gradient_are_finite_for_logits_of_any_size(dtype):
    logits = tf.constant([[-1e4, 1e4, -60.0, 60.0, 0.0]], dtype)
    for present in (0.0, 1.0):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = FocalLoss()(tf.fill(logits.shape, present), logits)
        assert np.isfinite(value) and value.dtype == "float32"
        assert np.isfinite(tape.gradient(value, logits)).all()


def test_nothing_known_costs_nothing():
    assert float(FocalLoss()(np.full((2, 3), -1.0), np.ones((2, 3)))) == 0


def test_survives_its_config():
    loss = FocalLoss(gamma=1, positive_weight=[1, 2, 3, 4, 5], unknown_target=0.0)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    np.testing.assert_array_equal(copy(TARGETS, LOGITS), loss(TARGETS, LOGITS))


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"gamma": -1}, "gamma=-1"),
        ({"positive_weight": 0}, "positive_weight=0"),
        ({"unknown_target": 2}, "unknown_target=2"),
        ({"reduction": "max"}, "reduction='max'"),
    ],
)
def test_says_what_does_not_fit(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        FocalLoss(**arguments)


def test_says_how_many_weights_there_must_be():
    with pytest.raises(ValueError, match="got 2 for 5 labels"):
        FocalLoss(positive_weight=[1, 2])(TARGETS, LOGITS)
