import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from kmlic.classifier.comparison import Comparison, Interval, weighted_precision
from kmlic.labels import Labels
from kmlic.metrics import attribute_accuracy, mean_average_precision

LABELS = Labels(("a", "b", "c"))


def _scores(seed=0, noise=1.0):
    random = np.random.default_rng(seed)
    targets = (random.uniform(size=(120, 3)) < 0.3).astype("int8")
    return targets, targets + noise * random.normal(size=targets.shape)


def test_the_value_is_the_metric_of_the_images_as_they_are():
    targets, scores = _scores()
    targets[:9, 1] = -1
    values = Comparison(targets, LABELS).values(scores)
    assert values[0] == pytest.approx(mean_average_precision(targets, scores))


def test_weights_count_images_several_times():
    targets, scores = _scores()
    scores = scores.round(1)  # with ties
    weights = np.random.default_rng(1).multinomial(120, np.full(120, 1 / 120), size=4)
    found, exist = weighted_precision(
        targets[:, 0] == 1, scores[:, 0], weights.astype("float32")
    )
    for draw, value in zip(weights, found, strict=True):
        rows = np.repeat(np.arange(120), draw)
        expected = average_precision_score(targets[rows, 0], scores[rows, 0])
        assert value == pytest.approx(expected, abs=1e-5)
    assert exist.all()


def test_intervals_hold_the_value_and_narrow_with_noise():
    targets, scores = _scores()
    comparison = Comparison(targets, LABELS)
    interval = comparison.interval(comparison.values(scores))
    assert interval.low < interval.value < interval.high
    same = comparison.values(scores) - comparison.values(2 * scores)
    assert not same.any()
    assert str(Interval(0.5, 0.25, 0.75)) == "50.0 [25.0, 75.0]"


def test_accuracy_is_the_mean_over_exclusive_groups():
    labels = Labels(
        ("s", "l", "red", "blue"),
        {"size": ("s", "l"), "colour": ("red", "blue")},
        exclusive=True,
    )
    random = np.random.default_rng(0)
    targets = np.zeros((50, 4), "int8")
    for start in (0, 2):
        targets[np.arange(50), start + random.integers(0, 2, 50)] = 1
    targets[:5, :2] = -1  # size is unknown
    scores = targets + random.normal(size=targets.shape)
    values = Comparison(targets, labels, "accuracy").values(scores)
    expected = attribute_accuracy(targets, scores, labels.groups)["accuracy"]
    assert values[0] == pytest.approx(expected)
