import keras
import numpy as np
import pytest

from kmlic import losses

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=3, size=(6, 5)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, size=(6, 5)).astype("float32")
COUNTS = ([9, 1, 3, 4, 2], [1, 9, 7, 6, 8])
LOSSES = [
    losses.PartialBinaryCrossentropy,
    losses.FocalLoss,
    losses.AsymmetricLoss,
    losses.HillLoss,
    losses.SelfPacedLossCorrection,
    lambda **options: losses.LabelDistributionAwareMarginLoss(*COUNTS, **options),
]


@pytest.mark.parametrize("make", LOSSES)
def test_every_loss_has_the_options_of_entries(make):
    present, absent = (
        np.asarray(make(reduction=None)(np.full((6, 5), target), LOGITS))
        for target in (1.0, 0.0)
    )
    weights = np.array([0.5, 1, 2, 4, 8])
    found = make(
        positive_weight=weights,
        label_smoothing=0.2,
        unknown_target=0.25,
        unknown_weight=0.5,
        reduction="sum",
    )(TARGETS, LOGITS)
    unknown = TARGETS == -1
    targets = np.where(unknown, 0.25, TARGETS) * 0.8 + 0.1
    expected = weights * targets * present + (1 - targets) * absent
    expected *= np.where(unknown, 0.5, 1)
    np.testing.assert_allclose(found, expected.sum(), rtol=1e-5)


@pytest.mark.parametrize("make", LOSSES)
def test_every_loss_survives_its_config(make):
    loss = make(positive_weight=np.arange(1, 6), unknown_target=0, label_smoothing=0.1)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()
    np.testing.assert_array_equal(copy(TARGETS, LOGITS), loss(TARGETS, LOGITS))


def test_says_which_argument_is_out_of_its_limits():
    for argument in (
        {"positive_weight": -1},
        {"label_smoothing": 2},
        {"unknown_target": 1.5},
        {"unknown_weight": -1},
        {"reduction": "max"},
    ):
        ((name, value),) = argument.items()
        with pytest.raises(ValueError, match=f"{name}={value!r}"):
            losses.HillLoss(**argument)
