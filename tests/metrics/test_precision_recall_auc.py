import numpy as np
import pytest
from sklearn.metrics import auc, precision_recall_curve

from kmlic.metrics import average_precision, precision_recall_auc

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 2, size=(90, 6))
SCORES = RANDOM.normal(size=(90, 6)).astype("float32")


def scikit_learn(targets, scores):
    precision, recall, _ = precision_recall_curve(targets, scores)
    return auc(recall, precision)


@pytest.mark.parametrize("decimals", [0, 1, 7])
def test_equals_scikit_learn_however_many_scores_are_tied(decimals):
    scores = SCORES.round(decimals)
    expected = [scikit_learn(TARGETS[:, i], scores[:, i]) for i in range(6)]
    actual = precision_recall_auc(TARGETS, scores)
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_leaves_unknown_entries_out():
    targets = np.where(RANDOM.random((90, 6)) < 0.3, -1, TARGETS)
    for label, area in enumerate(precision_recall_auc(targets, SCORES)):
        known = targets[:, label] != -1
        expected = scikit_learn(targets[known, label], SCORES[known, label])
        np.testing.assert_allclose(area, expected, atol=1e-12)


def test_a_perfect_order_gives_one_and_no_positives_give_nan():
    targets = np.array([[1, 0], [1, 0], [0, -1]])
    scores = np.array([[3, 1], [2, 1], [1, 1]])
    np.testing.assert_array_equal(precision_recall_auc(targets, scores), [1, np.nan])
    np.testing.assert_array_equal(average_precision(targets, scores), [1, np.nan])


def test_says_which_score_is_none():
    scores = SCORES.copy()
    scores[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN in row 3, label 2"):
        precision_recall_auc(TARGETS, scores)
