import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from kmlic.metrics import average_metric, average_precision, roc_auc


def cases(decimals=2, count=60, labels=5):
    random = np.random.default_rng(0)
    targets = (random.random((count, labels)) < 0.4).astype("int8")
    targets[:, 0] |= targets.sum(axis=1) == 0
    targets[:, 1] &= targets.sum(axis=1) < labels
    scores = random.random((count, labels)) + 0.3 * targets
    return targets, scores.round(decimals)


@pytest.mark.parametrize("average", ["macro", "weighted", "micro", "samples"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(average_precision, average_precision_score), (roc_auc, roc_auc_score)],
)
def test_means_are_those_of_scikit_learn(average, ours, theirs):
    targets, scores = cases()
    targets[0] = (1, 0, 1, 0, 0)
    found = average_metric(ours, targets, scores, average=average)
    assert found == pytest.approx(theirs(targets, scores, average=average), abs=1e-9)


def test_labels_and_images_without_a_number_are_left_out():
    targets = np.array([[1, 0, -1], [0, 0, -1], [1, 0, 0]])
    scores = np.random.default_rng(0).random((3, 3))
    own = average_precision(targets, scores)[0]
    for average in ("macro", "weighted"):
        assert average_metric(
            average_precision, targets, scores, average=average
        ) == pytest.approx(own)
    of_images = average_precision(targets.T, scores.T)[[0, 2]].mean()
    assert average_metric(
        average_precision, targets, scores, average="samples"
    ) == pytest.approx(of_images)
    assert np.isnan(average_metric(average_precision, targets * 0, scores))


def test_says_which_averages_there_are():
    with pytest.raises(ValueError, match=r"'macro', .*got average='mean'"):
        average_metric(roc_auc, np.ones((1, 1)), np.ones((1, 1)), average="mean")
