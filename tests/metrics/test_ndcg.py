import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from kmlic.metrics import ndcg


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("k", [None, 1, 3, 99])
def test_equals_scikit_learn_however_many_scores_are_tied(decimals, k):
    random = np.random.default_rng(0)
    targets = (random.random((50, 6)) < 0.4).astype("int8")
    targets[:, 2] |= targets.sum(axis=1) == 0
    scores = random.random((50, 6)).round(decimals)
    assert ndcg(targets, scores, k=k) == pytest.approx(
        ndcg_score(targets, scores, k=k), abs=1e-9
    )


def test_leaves_unknown_labels_and_images_without_labels_out():
    targets = np.array([[1, 0, -1], [0, 0, 0], [-1, 1, 0]])
    scores = np.array([[0.5, 0.7, 0.9], [0.1, 0.2, 0.3], [0.9, 0.2, 0.4]])
    expected = ndcg_score([[1, 0], [1, 0]], [[0.5, 0.7], [0.2, 0.4]])
    assert ndcg(targets, scores) == pytest.approx(expected)
    assert np.isnan(ndcg(targets * 0, scores))


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="at least 1; got k=0"):
        ndcg([[1]], [[1.0]], k=0)
