import numpy as np
import pytest

from kmlic.metrics import expected_calibration_error

RANDOM = np.random.default_rng(0)
PROBABILITIES = RANDOM.uniform(size=(200, 5))
TARGETS = (RANDOM.uniform(size=(200, 5)) < PROBABILITIES**2).astype("int8")
UNKNOWN = np.where(RANDOM.uniform(size=(200, 5)) < 0.3, -1, TARGETS)


def reference(targets, probabilities, bins, norm="l1"):
    known = targets >= 0
    targets, probabilities = targets[known], probabilities[known]
    gaps, shares = [], []
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = (probabilities >= low) & ((probabilities < high) | (high == 1))
        if inside.any():
            gap = abs(probabilities[inside].mean() - targets[inside].mean())
            gaps.append(gap)
            shares.append(inside.mean())
    if norm == "max":
        return max(gaps)
    power = {"l1": 1, "l2": 2}[norm]
    return np.average(np.power(gaps, power), weights=shares) ** (1 / power)


@pytest.mark.parametrize("bins", [1, 10, 15])
@pytest.mark.parametrize("targets", [TARGETS, UNKNOWN])
@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_equals_the_equation(targets, bins, norm):
    found = expected_calibration_error(targets, PROBABILITIES, bins=bins, norm=norm)
    assert found == pytest.approx(reference(targets, PROBABILITIES, bins, norm))


def test_sure_and_right_is_0_and_sure_and_wrong_is_1():
    assert expected_calibration_error(TARGETS, TARGETS.astype(float)) == 0
    assert expected_calibration_error(TARGETS, 1.0 - TARGETS) == 1
    assert expected_calibration_error(np.full((3, 2), -1), PROBABILITIES[:3, :2]) == 0


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="bins=0"):
        expected_calibration_error(TARGETS, PROBABILITIES, bins=0)
    with pytest.raises(ValueError, match="norm='l3'"):
        expected_calibration_error(TARGETS, PROBABILITIES, norm="l3")
    with pytest.raises(ValueError, match="Apply a sigmoid to logits"):
        expected_calibration_error(TARGETS, PROBABILITIES * 9)
