import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from kmlic.metrics import precision_at_recall, recall_at_precision


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("limit", [0.0, 0.3, 0.55, 0.8, 1.0])
def test_equal_the_best_points_of_scikit_learns_curve(decimals, limit):
    random = np.random.default_rng(0)
    targets = random.integers(-1, 2, (60, 4))
    scores = (random.random((60, 4)) + 0.2 * targets).round(decimals)
    recalls = recall_at_precision(targets, scores, limit)
    precisions = precision_at_recall(targets, scores, limit)
    for label in range(4):
        known = targets[:, label] != -1
        precision, recall, _ = precision_recall_curve(
            targets[known, label], scores[known, label]
        )
        precision, recall = precision[:-1], recall[:-1]  # its end is no threshold
        best = recall[precision >= limit].max(initial=0)
        assert recalls[label] == pytest.approx(best)
        assert precisions[label] == pytest.approx(precision[recall >= limit].max())


def test_labels_without_positives_are_nan():
    for function in (recall_at_precision, precision_at_recall):
        assert np.isnan(function([[0], [-1]], [[0.2], [0.4]], 0.5)).all()


def test_say_what_is_no_share():
    with pytest.raises(ValueError, match="at most 1; got precision=2"):
        recall_at_precision([[1]], [[1.0]], 2)
    with pytest.raises(ValueError, match=r"at least 0 .* got recall=-1"):
        precision_at_recall([[1]], [[1.0]], -1)
