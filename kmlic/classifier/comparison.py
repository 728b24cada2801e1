"""How good scores are, and whether a difference is more than luck."""

import dataclasses
from typing import Literal

import numpy as np

from kmlic.labels import Labels
from kmlic.metrics import attribute_accuracy, mean_average_precision

Metric = Literal["mAP", "accuracy"]

_DRAWS = 500
_BLOCK = 50


@dataclasses.dataclass(frozen=True)
class Interval:
    """Holds a value and the range in which it lies in most draws of the images.

    Args:
        value: on the images as they are.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        low, high = 100 * self.low, 100 * self.high
        return f"{100 * self.value:.1f} [{low:.1f}, {high:.1f}]"


class Comparison:
    """Draws images again and again, the same ones for all scores it is asked about.

    Args:
        targets: (N, L), 1 present, 0 absent, -1 unknown.
        labels: with exclusive groups for "accuracy".
        metric: "mAP", the mean over labels with a positive; "accuracy", the mean over
            exclusive groups of the share of images whose label is right.
        seed: of the draws.

    Example:
        >>> random = np.random.default_rng(0)
        >>> targets = random.integers(0, 2, (200, 3))
        >>> comparison = Comparison(targets, Labels(("a", "b", "c")))
        >>> good = comparison.values(targets + random.normal(size=targets.shape))
        >>> bad = comparison.values(random.normal(size=targets.shape))
        >>> comparison.interval(good - bad).low > 0
        True
    """

    def __init__(
        self, targets: np.ndarray, labels: Labels, metric: Metric = "mAP", seed: int = 0
    ):
        self._targets = targets
        self._labels = labels
        self._metric = metric
        count = len(targets)
        random = np.random.default_rng(seed)
        draws = random.multinomial(count, np.full(count, 1 / count), size=_DRAWS)
        # The first draw is every image once.
        self._weights = np.vstack([np.ones(count), draws]).astype("float32")

    def values(self, scores: np.ndarray) -> np.ndarray:
        """Computes the metric of all draws, that of the images as they are first.

        Shapes: (N, L) to (1 + draws,).
        """
        if self._metric == "accuracy":
            return self._accuracy(scores)
        total = np.zeros(len(self._weights))
        labels = np.zeros(len(self._weights))
        for column in range(self._targets.shape[1]):
            known = self._targets[:, column] >= 0
            truth = self._targets[known, column] == 1
            if truth.any():
                value, exists = weighted_precision(
                    truth, scores[known, column], self._weights[:, known]
                )
                total += value
                labels += exists
        return total / np.maximum(labels, 1)

    def value(self, scores: np.ndarray) -> float:
        """Computes the metric of the images as they are."""
        if self._metric == "accuracy":
            groups = self._labels.groups or {}
            return attribute_accuracy(self._targets, scores, groups)["accuracy"]
        return mean_average_precision(self._targets, scores)

    def interval(self, values: np.ndarray, level: float = 0.95) -> Interval:
        """Returns the range around the value that holds a share `level` of the draws.

        Drawing images twice makes labels with few positives look easier, so that the
        mean of the draws is not the value; the range is moved by that.
        """
        low, high = np.quantile(values[1:], [(1 - level) / 2, (1 + level) / 2])
        moved = values[0] - values[1:].mean()
        return Interval(float(values[0]), float(low + moved), float(high + moved))

    def _accuracy(self, scores: np.ndarray) -> np.ndarray:
        values = []
        for columns in self._labels.exclusive_groups.values():
            truth = self._targets[:, columns] == 1
            known = truth.any(axis=1)
            right = scores[known, columns].argmax(axis=1) == truth[known].argmax(axis=1)
            weights = self._weights[:, known]
            values.append(weights @ right / np.maximum(weights.sum(axis=1), 1))
        return np.mean(values, axis=0)


def weighted_precision(
    truth: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Computes the average precision of images that each count several times.

    Shapes: (N,), (N,) and (R, N) to (R,) and (R,).

    Args:
        truth: whether an image has the label.
        scores: of the images; equal ones share a rank.
        weights: R times how often each image counts.

    Returns:
        The average precision, 0 where no positive counts, and whether any does.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    values, exist = [], []
    for start in range(0, len(weights), _BLOCK):
        own = weights[start : start + _BLOCK, order]
        found = np.cumsum(own * truth[order], axis=1)[:, ends]
        called = np.cumsum(own, axis=1)[:, ends]
        positives = found[:, -1]
        gained = np.diff(found, axis=1, prepend=0.0)
        sums = (gained * found / np.maximum(called, 1e-9)).sum(axis=1)
        values.append(sums / np.maximum(positives, 1e-9))
        exist.append(positives > 0)
    return np.concatenate(values), np.concatenate(exist)
