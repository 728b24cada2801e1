import numpy as np
import pytest

from kmlic.evaluation import choose_thresholds, tune_thresholds
from kmlic.metrics import precision_recall_f1


def _scores(center, gap, count=300, seed=0):
    random = np.random.default_rng(seed)
    targets = (random.uniform(size=(count, 4)) < 0.2).astype(int)
    noise = random.normal(0, 0.1, targets.shape)
    return targets, (center + gap * (targets - 0.5) + noise).clip(0, 1)


def test_tunes_where_it_helps_other_images():
    targets, scores = _scores(0.3, 0.2)
    found = choose_thresholds(targets, scores)
    assert found.tuned > found.half + 0.1
    np.testing.assert_array_equal(found.thresholds, tune_thresholds(targets, scores))
    assert "thresholds tuned: CF1" in found.describe()


def test_keeps_half_where_tuning_fits_to_chance():
    targets, scores = _scores(0.5, 0.3, count=40)
    tuned = tune_thresholds(targets, scores)
    inside = precision_recall_f1(targets, scores, threshold=tuned)["CF1"]
    found = choose_thresholds(targets, scores)
    assert inside >= found.half >= found.tuned
    assert found.thresholds.tolist() == [0.5] * 4
    assert found.describe().startswith("thresholds 0.5: CF1")


def test_scores_each_part_at_thresholds_of_the_others():
    targets, scores = _scores(0.3, 0.2)
    parts = np.arange(300) % 2
    counts = []
    for part in (0, 1):
        own = parts == part
        thresholds = tune_thresholds(targets[~own], scores[~own])
        called = scores[own] >= thresholds
        counts.append(
            [
                (called & (targets[own] == 1)).sum(axis=0),
                called.sum(axis=0),
                (targets[own] == 1).sum(axis=0),
            ]
        )
    hits, called, positives = np.sum(counts, axis=0)
    precision, recall = (hits / called).mean(), (hits / positives).mean()
    found = choose_thresholds(targets, scores, parts=parts)
    assert found.tuned == pytest.approx(2 * precision * recall / (precision + recall))


def test_copies_in_other_parts_do_not_flatter_tuned_thresholds():
    targets, scores = _scores(0.5, 0.02, count=30)
    copies = [np.repeat(each, 5, axis=0) for each in (targets, scores)]
    groups = np.repeat(np.arange(30), 5).tolist()
    apart = choose_thresholds(*copies, groups=groups)
    assert apart.tuned < choose_thresholds(*copies).tuned - 0.05
    assert apart.half == choose_thresholds(*copies).half
