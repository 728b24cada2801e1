import numpy as np
import pytest

from kmlic.evaluation import reliability_figure

RANDOM = np.random.default_rng(0)
CHANCES = RANDOM.uniform(size=(4000, 3))
TARGETS = (RANDOM.uniform(size=CHANCES.shape) < CHANCES).astype("int8")


def test_honest_probabilities_lie_on_the_diagonal():
    curve, counts = reliability_figure(TARGETS, {"honest": CHANCES}).axes
    means, shares = curve.lines[1].get_data()
    np.testing.assert_allclose(means, np.linspace(0.05, 0.95, 10), atol=0.02)
    np.testing.assert_allclose(shares, means, atol=0.06)
    assert curve.get_legend().texts[0].get_text().startswith("honest, ECE ")
    assert counts.patches[0].get_data().values.sum() == TARGETS.size


def test_unknown_targets_and_empty_bins_are_not_drawn():
    targets = TARGETS.copy()
    targets[CHANCES < 0.5] = -1
    curve, _ = reliability_figure(targets, {"a": CHANCES, "b": CHANCES}).axes
    assert len(curve.lines) == 3
    assert curve.lines[1].get_xdata().min() >= 0.5


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="bins=0"):
        reliability_figure(TARGETS, {"a": CHANCES}, bins=0)
