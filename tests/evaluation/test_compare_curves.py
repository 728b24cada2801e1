import numpy as np
import pytest
from sklearn.metrics import auc, precision_recall_curve

from kmlic.evaluation import compare_curves

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(-1, 2, (40, 6))
TARGETS[:, 4] = 0
SCORES = {"one": RANDOM.random((40, 6)), "two": RANDOM.random((40, 6))}
NAMES = ("dot", "stripe", "plaid", "check", "paisley", "floral")


def test_draws_every_label_that_has_positives():
    figure = compare_curves(NAMES, TARGETS, SCORES)
    assert [axes.get_title() for axes in figure.axes] == [*NAMES[:4], "floral"]


def test_draws_and_measures_each_model_s_curve():
    axes = compare_curves(NAMES, TARGETS, SCORES).axes[1]
    known = TARGETS[:, 1] >= 0
    for line, (model, values) in zip(axes.lines, SCORES.items(), strict=True):
        truth = TARGETS[known, 1] == 1
        precision, recall, _ = precision_recall_curve(truth, values[known, 1])
        np.testing.assert_allclose(line.get_ydata(), precision)
        assert line.get_label() == f"{model} {auc(recall, precision):.2f}"


def test_says_that_it_needs_positives():
    with pytest.raises(ValueError, match="a positive of at least one label"):
        compare_curves(NAMES, np.zeros((40, 6)), SCORES)
