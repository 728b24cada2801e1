import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from kmlic.metrics import roc_auc

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 2, size=(90, 6))
SCORES = RANDOM.normal(size=(90, 6)).astype("float32")
UNKNOWN = np.where(RANDOM.random((90, 6)) < 0.3, -1, TARGETS)


@pytest.mark.parametrize("decimals", [0, 1, 7])
def test_equals_scikit_learn_however_many_scores_are_tied(decimals):
    scores = SCORES.round(decimals)
    expected = roc_auc_score(TARGETS, scores, average=None)
    np.testing.assert_allclose(roc_auc(TARGETS, scores), expected, atol=1e-12)


def test_leaves_unknown_entries_out_as_scikit_learn_would():
    for label, area in enumerate(roc_auc(UNKNOWN, SCORES)):
        known = UNKNOWN[:, label] != -1
        expected = roc_auc_score(UNKNOWN[known, label], SCORES[known, label])
        assert area == pytest.approx(expected, abs=1e-12)


def test_turning_the_scores_round_turns_the_area_round():
    np.testing.assert_allclose(roc_auc(TARGETS, -SCORES), 1 - roc_auc(TARGETS, SCORES))


def test_labels_without_positives_or_negatives_are_nan():
    targets = np.array([[0, 1, -1, 1], [0, 1, -1, 0]])
    areas = roc_auc(targets, np.array([[1, 2, 3, 4], [4, 3, 2, 1]]))
    np.testing.assert_array_equal(areas, [np.nan, np.nan, np.nan, 1])


def test_says_which_score_is_none():
    with pytest.raises(ValueError, match="NaN in row 0, label 0"):
        roc_auc(TARGETS[:1], SCORES[:1] * np.nan)
