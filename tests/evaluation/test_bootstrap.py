import time

import numpy as np
import pytest

from kmlic.evaluation import Bootstrap, Interval, report_scores
from kmlic.labels import Labels

LABELS = Labels(
    ("a", "b", "c", "d"),
    {"first": ("a", "b"), "rest": ("c", "d")},
    thresholds=(0.5, 0.4, 0.6, 0.5),
)
EXCLUSIVE = Labels(
    ("s", "l", "red", "blue"),
    {"size": ("s", "l"), "colour": ("red", "blue")},
    exclusive=True,
)


def _scored(count=60, seed=0, noise=0.35):
    random = np.random.default_rng(seed)
    targets = (random.uniform(size=(count, 4)) < 0.3).astype("int8")
    targets[random.uniform(size=targets.shape) < 0.1] = -1
    scores = 0.3 + 0.3 * (targets == 1) + noise * random.normal(size=targets.shape)
    return targets, scores.clip(0, 1).round(1).astype("float32")  # with ties


def _exclusive(count=50, seed=0):
    random = np.random.default_rng(seed)
    targets = np.zeros((count, 4), "int8")
    for start in (0, 2):
        targets[np.arange(count), start + random.integers(0, 2, count)] = 1
    targets[:9, :2] = -1  # size is unknown
    targets[5:7, 2:] = -1  # and colour
    return targets, random.uniform(size=targets.shape).astype("float32")


def _rows_of_draws(bootstrap, count):
    for block in bootstrap.draws():
        for weights in block.T:
            yield np.repeat(np.arange(count), weights.astype(int))


@pytest.mark.parametrize(
    ("labels", "targets", "scores"),
    [(LABELS, *_scored()), (EXCLUSIVE, *_exclusive())],
    ids=["independent", "exclusive"],
)
def test_equals_a_loop_over_the_drawn_images(labels, targets, scores):
    targets[:, 1] = np.where(targets[:, 1] == 1, 0, targets[:, 1])
    targets[3, 1] = 1  # one positive, which draws miss
    if labels is EXCLUSIVE:
        targets[3, 0] = 0
    bootstrap = Bootstrap(targets, labels, resamples=130, seed=2)

    metrics = bootstrap.metrics(scores)
    precisions = bootstrap.precisions(scores)

    reports = [
        report_scores(targets[rows], scores[rows], labels)
        for rows in _rows_of_draws(bootstrap, len(targets))
    ]
    assert len(reports) == 131
    assert np.isnan(precisions).any()
    for name, values in metrics.items():
        expected = [report.metrics[name] for report in reports]
        np.testing.assert_allclose(values, expected, rtol=1e-6, err_msg=name)
    expected = [list(report.per_label.values()) for report in reports]
    np.testing.assert_allclose(precisions, expected, rtol=1e-12)


@pytest.mark.parametrize("metric", ["mAP", "accuracy"])
def test_computes_the_metric_that_models_are_compared_by(metric):
    targets, scores = _exclusive()
    bootstrap = Bootstrap(targets, EXCLUSIVE, metric=metric, resamples=20)
    expected = report_scores(targets, scores, EXCLUSIVE).metrics[metric]
    assert bootstrap.value(scores) == pytest.approx(expected)
    assert bootstrap.values(scores)[0] == pytest.approx(expected)
    np.testing.assert_allclose(
        bootstrap.values(scores), bootstrap.metrics(scores)[metric]
    )


def test_draws_are_the_same_for_the_same_seed_only():
    targets, scores = _scored()
    first, again, other = (
        Bootstrap(targets, LABELS, resamples=5, seed=seed).values(scores)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_draws_groups_together():
    targets, _ = _scored(6)
    keys = ["x", "y", "x", "", None, "y"]
    bootstrap = Bootstrap(targets, LABELS, groups=keys, resamples=200)
    weights = np.concatenate(list(bootstrap.draws()), axis=1)
    np.testing.assert_array_equal(weights[0], weights[2])
    np.testing.assert_array_equal(weights[1], weights[5])
    assert (weights[3] != weights[4]).any()
    assert weights[:, 1:].mean() == pytest.approx(1, abs=0.1)


def test_groups_of_alike_images_widen_the_interval():
    targets, scores = _scored(40)
    many, keys = np.repeat(targets, 5, axis=0), np.repeat(np.arange(40), 5)
    repeated = np.repeat(scores, 5, axis=0)
    alone, grouped = (
        Bootstrap(many, LABELS, groups=groups, resamples=300).report(repeated)[0]["mAP"]
        for groups in (None, keys.tolist())
    )
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_a_metric_ends_at_one_and_a_difference_does_not():
    targets, _ = _scored()
    bootstrap = Bootstrap(targets, LABELS, resamples=100)
    values = np.array([0.99, *np.linspace(0.9, 1.0, 100)])
    own = bootstrap.interval(values)
    assert own.low < 0.99 < own.high == 1
    assert bootstrap.difference(values, 0 * values).high > 1


def test_a_label_with_few_positives_has_no_interval():
    targets, scores = _scored(200)
    targets[:, 0] = 0
    targets[:4, 0] = 1
    targets[:, 1] = 0
    bootstrap = Bootstrap(targets, LABELS, resamples=100)
    metrics, per_label = bootstrap.report(scores)
    assert bootstrap.few_positives == ["a"]
    assert set(per_label) == {"c", "d"}
    assert set(metrics) == {"mAP", "mAP/first", "mAP/rest", "CF1", "OF1", "exact"}


def test_a_perfect_metric_has_no_interval_that_looks_sure():
    targets, _ = _scored(40)
    targets[targets == -1] = 0
    metrics, per_label = Bootstrap(targets, LABELS, resamples=50).report(
        targets.astype("float32")
    )
    assert not metrics
    assert not per_label


def test_compares_two_thresholds():
    targets, scores = _scored(300)
    bootstrap = Bootstrap(targets, LABELS, resamples=200)
    own, none = bootstrap.metrics(scores), bootstrap.at_thresholds(scores, 1.0)
    difference = bootstrap.difference(none["CF1"], own["CF1"])
    assert difference.high < 0
    assert "worse" in difference.describe_difference()


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((0.012, 0.001, 0.02), "1.2 better, 95 % interval 0.1 to 2.0"),
        ((-0.012, -0.02, -0.001), "1.2 worse, 95 % interval -2.0 to -0.1"),
        (
            (0.0, 0.0, 0.0),
            "0.0 better, 95 % interval 0.0 to 0.0: not distinguishable",
        ),
    ],
)
def test_describes_a_difference(interval, text):
    assert Interval(*interval).describe_difference() == text


def test_reports_what_does_not_fit():
    targets, scores = _scored()
    with pytest.raises(ValueError, match=r"shape \(60, 3\) for 4 labels"):
        Bootstrap(targets[:, :3], LABELS)
    with pytest.raises(ValueError, match="got 2 for 60 images"):
        Bootstrap(targets, LABELS, groups=["x", "y"])
    with pytest.raises(ValueError, match="at least two images or groups; got 1"):
        Bootstrap(targets, LABELS, groups=["x"] * 60)
    with pytest.raises(ValueError, match="exclusive groups"):
        Bootstrap(targets, LABELS, metric="accuracy")
    with pytest.raises(ValueError, match=r"\(60, 4\); got \(59, 4\)"):
        Bootstrap(targets, LABELS).values(scores[1:])


@pytest.mark.slow
def test_is_fast_with_eighty_labels():
    random = np.random.default_rng(0)
    targets = (random.uniform(size=(5000, 80)) < 0.035).astype("int8")
    scores = 1 / (1 + np.exp(2 - 2 * targets - random.normal(size=targets.shape)))
    labels = Labels(tuple(map(str, range(80))))
    start = time.process_time()
    Bootstrap(targets, labels).report(scores)
    assert time.process_time() - start < 10


@pytest.mark.slow
def test_intervals_cover_what_other_images_give():
    random = np.random.default_rng(0)
    labels = Labels(tuple("abcdefgh"))
    distances = np.linspace(0.5, 3, 8)
    values, intervals = [], []
    for _ in range(1500):
        targets = (random.uniform(size=(500, 8)) < 0.1).astype("int8")
        logits = -2 + distances * (targets - 0.5) + random.normal(size=targets.shape)
        scores = 1 / (1 + np.exp(-logits))
        found, per_label = Bootstrap(targets, labels, resamples=300).report(scores)
        found |= {"label": per_label["e"]}
        intervals.append(found)
        values.append({name: each.value for name, each in found.items()})
    for name in ("mAP", "CF1", "OF1", "exact", "label"):
        expected = np.mean([each[name] for each in values])
        covered = [each[name].low <= expected <= each[name].high for each in intervals]
        assert 0.93 <= np.mean(covered) <= 0.97, name
