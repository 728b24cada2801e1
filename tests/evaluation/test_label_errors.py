import sys

import numpy as np
import pytest
from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
from cleanlab.multilabel_classification.rank import (
    get_label_quality_scores,
    get_label_quality_scores_per_class,
)

from kmlic.evaluation import find_label_errors


def _flipped(count=600, share=0.05, seed=0):
    random = np.random.default_rng(seed)
    targets = (random.uniform(size=(count, 4)) < 0.3).astype("int8")
    logits = 4 * (targets - 0.5) + random.normal(size=targets.shape)
    flipped = random.uniform(size=targets.shape) < share
    return np.where(flipped, 1 - targets, targets), 1 / (1 + np.exp(-logits)), flipped


def test_is_cleanlab_for_all_labels_together():
    targets, probabilities, _ = _flipped()
    found = find_label_errors(targets, probabilities)
    lists = [np.flatnonzero(row).tolist() for row in targets]
    np.testing.assert_allclose(
        found.quality, get_label_quality_scores_per_class(lists, probabilities)
    )
    issues = find_multilabel_issues_per_class(
        lists, probabilities, filter_by="confident_learning", n_jobs=1
    )
    np.testing.assert_array_equal(found.likely, issues)
    np.testing.assert_allclose(
        found.image_quality, get_label_quality_scores(lists, probabilities)
    )


def test_flipped_labels_are_ranked_first():
    targets, probabilities, flipped = _flipped()
    found = find_label_errors(targets, probabilities)
    worst = found.ranked()[: targets.size // 10]
    assert sum(flipped[entry] for entry in worst) > 0.9 * flipped.sum()
    assert flipped[found.likely].mean() > 0.7
    likely = found.ranked(found.likely)
    assert len(likely) == found.likely.sum()
    qualities = [found.quality[entry] for entry in likely]
    assert qualities == sorted(qualities)


def test_unknown_entries_are_left_out():
    targets, probabilities, _ = _flipped()
    known = find_label_errors(targets[:, :2], probabilities[:, :2])
    unknown = np.random.default_rng(1).uniform(size=(600, 4)) < 0.2
    unknown[:, 3] = True
    found = find_label_errors(np.where(unknown, -1, targets), probabilities)
    assert np.isnan(found.quality[unknown]).all()
    assert not found.likely[unknown].any()
    assert not any(unknown[entry] for entry in found.ranked())
    assert np.isnan(found.precisions[3])
    half = np.where(np.arange(600)[:, None] < 300, targets[:, :2], -1)
    first = find_label_errors(half, probabilities[:, :2])
    again = find_label_errors(targets[:300, :2], probabilities[:300, :2])
    np.testing.assert_array_equal(first.likely[:300], again.likely)
    assert known.likely.any()


def test_images_between_two_labels_are_uncertain():
    targets = np.array([[1, 0], [1, 0], [0, 1]])
    probabilities = np.array([[0.99, 0.01], [0.5, 0.5], [0.3, 0.9]])
    uncertainty = find_label_errors(targets, probabilities).uncertainty
    assert uncertainty.argsort().tolist() == [0, 2, 1]
    assert uncertainty[1] == pytest.approx(1)


def test_names_the_extra_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    targets, probabilities, _ = _flipped(9)
    with pytest.raises(ImportError, match=r"kmlic\[label_errors\]"):
        find_label_errors(targets, probabilities)


def test_scores_labels_that_no_image_has():
    probabilities = np.array([[0.9, 0.2], [0.1, 0.3]])
    found = find_label_errors(np.array([[0, 1], [0, 0]]), probabilities)
    np.testing.assert_allclose(found.quality[:, 0], [0.1, 0.9])
    assert not found.likely[:, 0].any()
    nothing = find_label_errors(np.zeros((2, 2), int), probabilities)
    np.testing.assert_allclose(nothing.image_quality, [0.1, 0.7])
