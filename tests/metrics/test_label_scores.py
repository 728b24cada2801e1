import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    fbeta_score,
    jaccard_score,
    matthews_corrcoef,
    multilabel_confusion_matrix,
    precision_score,
    recall_score,
)

from kmlic.metrics import label_confusion, label_scores

THEIRS = {
    "precision": precision_score,
    "recall": recall_score,
    "F": lambda *x, **options: fbeta_score(*x, beta=2, **options),
    "jaccard": jaccard_score,
}


def cases(count=50, labels=4):
    random = np.random.default_rng(1)
    targets = (random.random((count, labels)) < 0.4).astype("int8")
    targets[:, 0] |= targets.sum(axis=1) == 0
    return targets, random.random((count, labels)).round(2)


THRESHOLDS = np.array([0.5, 0.3, 0.97, 0.0])


@pytest.mark.parametrize("average", ["macro", "weighted", "micro", "samples", None])
@pytest.mark.parametrize("name", THEIRS)
def test_equals_scikit_learn(name, average):
    targets, probabilities = cases()
    found = label_scores(
        targets, probabilities, threshold=THRESHOLDS, average=average, beta=2
    )
    expected = THEIRS[name](
        targets, probabilities >= THRESHOLDS, average=average, zero_division=0
    )
    np.testing.assert_allclose(found[name], expected, atol=1e-9)


def test_each_labels_own_equal_scikit_learns_of_that_label():
    targets, probabilities = cases()
    called = probabilities >= THRESHOLDS
    found = label_scores(targets, probabilities, threshold=THRESHOLDS, average=None)
    for label in range(4):
        truth, said = targets[:, label], called[:, label]
        turned = {"pos_label": 0, "zero_division": 0}
        for name, expected in {
            "accuracy": accuracy_score(truth, said),
            "matthews": matthews_corrcoef(truth, said),
            "specificity": recall_score(truth, said, **turned),
            "negative_predictive_value": precision_score(truth, said, **turned),
        }.items():
            assert found[name][label] == pytest.approx(expected, abs=1e-9)


def test_counts_are_those_of_scikit_learn():
    targets, probabilities = cases()
    np.testing.assert_array_equal(
        label_confusion(targets, probabilities, threshold=THRESHOLDS),
        multilabel_confusion_matrix(targets, probabilities >= THRESHOLDS),
    )


@pytest.mark.parametrize("average", ["macro", "micro", "samples", None])
def test_unknown_entries_do_not_count(average):
    targets, probabilities = cases()
    targets[::3, 1] = -1
    targets[7] = -1
    found = label_scores(targets, probabilities, average=average)
    turned = np.where(targets == -1, 1 - probabilities, probabilities)
    again = label_scores(targets, turned, average=average)
    for name, value in found.items():
        np.testing.assert_array_equal(again[name], value)
    assert label_confusion(targets, probabilities).sum() == (targets != -1).sum()


def test_labels_without_positives_are_left_out_of_the_means():
    targets = np.array([[1, 0], [0, 0]])
    probabilities = np.array([[0.9, 0.9], [0.1, 0.9]])
    found = label_scores(targets, probabilities)
    assert found["precision"] == found["jaccard"] == found["matthews"] == 1
    assert np.isnan(label_scores(targets * 0, probabilities)["recall"])
    assert label_scores(targets, probabilities, average=None)["F"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"average": "mean"}, "got average='mean'"),
        ({"beta": 0}, "beta=0"),
        ({"threshold": 2}, "threshold=2"),
        ({"threshold": [0.5, 0.5]}, r"shape \(2,\) for 4 labels"),
    ],
)
def test_says_what_does_not_fit(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        label_scores(*cases(), **arguments)
