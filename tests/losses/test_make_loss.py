import keras
import numpy as np
import pytest

from kmlic import losses
from kmlic.losses import make_loss
from kmlic.losses.make_loss import LOSSES

TARGETS = np.array([[1, 0], [1, 0], [0, 1], [-1, 0]])
LOGITS = np.array([[1.0, -1.0], [0.5, 0.5]], "float32")


def test_every_name_makes_its_loss():
    for name, loss in LOSSES.items():
        made = make_loss(name, TARGETS)
        assert type(made) is loss
        assert np.isfinite(made(TARGETS[:2], LOGITS))


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"two_way"}))
@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("none", 1.0),
        ("frequency", [0.5, 3]),
        ("effective", [0.50025, 2.997]),  # of numbers that saturate
    ],
)
def test_every_loss_of_entries_takes_every_weight(name, weights, expected):
    made = make_loss(name, TARGETS, positive_weights=weights)
    np.testing.assert_allclose(made.positive_weight, expected, rtol=1e-5)


def test_corrections_and_weights_wait_as_in_their_papers():
    steps = keras.Variable(0, dtype="int32")
    options = {"iterations": steps, "steps_per_epoch": 7, "epochs": 10}
    corrected = make_loss("self_paced", TARGETS, **options)
    assert corrected.step is steps and corrected.start == 7
    margins = make_loss("ldam", TARGETS, **options)
    assert margins.step is steps and margins.start == 56
    assert margins.positives == [2, 1] and margins.negatives == [1, 3]


def test_says_which_name_or_weight_does_not_fit():
    with pytest.raises(ValueError, match=r"`loss` must be .* got loss='mse'"):
        make_loss("mse", TARGETS)
    with pytest.raises(ValueError, match=r"`positive_weights`.*'inverse'"):
        make_loss("focal", TARGETS, positive_weights="inverse")
    with pytest.raises(ValueError, match="none for the loss two_way"):
        make_loss("two_way", TARGETS, positive_weights="frequency")
    assert isinstance(make_loss("two_way", TARGETS), losses.TwoWayLoss)
