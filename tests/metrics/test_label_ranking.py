import numpy as np
import pytest
from sklearn.metrics import (
    coverage_error,
    label_ranking_average_precision_score,
    label_ranking_loss,
)

from kmlic.metrics import label_ranking

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 2, size=(90, 6))
SCORES = RANDOM.normal(size=(90, 6)).astype("float32")
UNKNOWN = np.where(RANDOM.random((90, 6)) < 0.3, -1, TARGETS)


def by_scikit_learn(targets, scores):
    return {
        "coverage": coverage_error(targets, scores),
        "ranking_loss": label_ranking_loss(targets, scores),
        "LRAP": label_ranking_average_precision_score(targets, scores),
    }


@pytest.mark.parametrize("decimals", [0, 1, 7])
def test_equals_scikit_learn_however_many_scores_are_tied(decimals):
    scores = SCORES.round(decimals)
    assert {0, 6} <= set(TARGETS.sum(axis=1))  # rows of none and of all
    expected = by_scikit_learn(TARGETS, scores)
    assert label_ranking(TARGETS, scores) == pytest.approx(expected, abs=1e-12)


def test_leaves_unknown_labels_out_of_each_image():
    rows = [
        by_scikit_learn(targets[None, targets >= 0], scores[None, targets >= 0])
        for targets, scores in zip(UNKNOWN, SCORES, strict=True)
        if (targets >= 0).sum() > 1
    ]
    many = (UNKNOWN >= 0).sum(axis=1) > 1
    found = label_ranking(UNKNOWN[many], SCORES[many])
    for name, value in found.items():
        assert value == pytest.approx(np.mean([row[name] for row in rows]))


def test_images_of_which_nothing_is_known_have_nothing_wrong():
    found = label_ranking(np.full((2, 3), -1), SCORES[:2, :3])
    assert found == {"coverage": 0, "ranking_loss": 0, "LRAP": 1}
    assert all(map(np.isnan, label_ranking(TARGETS[:0], SCORES[:0]).values()))


def test_says_which_shapes_do_not_fit():
    with pytest.raises(ValueError, match=r"\(90, 6\) and \(90, 5\)"):
        label_ranking(TARGETS, SCORES[:, :5])
