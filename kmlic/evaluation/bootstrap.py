"""Confidence intervals of metrics, and of differences between two models."""

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import numpy as np

from kmlic.check_choice import check_choice
from kmlic.check_number import check_number
from kmlic.known_names import Metric
from kmlic.labels import Labels
from kmlic.metrics import attribute_accuracy, mean_average_precision
from kmlic.shorten_names import shorten_names

FEW_POSITIVES = 5
# Which labels `Bootstrap.report` leaves out, for readers of its intervals.
WITHOUT_INTERVAL = (
    f"A label has no interval if fewer than {FEW_POSITIVES} images show it, or if its "
    "average precision is the same in almost every draw of the images, as 100.0 is: "
    "how much lower it is on other images cannot be told from these."
)

_SHOWN = 10  # labels in a sentence
_BLOCK = 100  # resamples whose weights are in memory together


@dataclasses.dataclass(frozen=True)
class Interval:
    """Holds a value and the interval in which it lies for most sets of images.

    Args:
        value: of the images as they are, 0-1, or a difference of two such values.
        low: lower end.
        high: upper end.

    Example:
        >>> print(Interval(0.5, 0.25, 0.75))
        50.0 [25.0, 75.0]
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{100 * self.value:z.1f} [{100 * self.low:z.1f}, {100 * self.high:z.1f}]"
        )

    @property
    def distinguishable(self) -> bool:
        """Returns whether 0 lies outside, for the interval of a difference."""
        return self.low > 0 or self.high < 0

    def describe_difference(self) -> str:
        """Returns a sentence on a difference between two models, in percent.

        Example:
            >>> print(Interval(0.008, -0.004, 0.021).describe_difference())
            0.8 better, 95 % interval -0.4 to 2.1: not distinguishable
        """
        direction = "worse" if self.value < 0 else "better"
        text = (
            f"{100 * abs(self.value):.1f} {direction}, 95 % interval "
            f"{100 * self.low:z.1f} to {100 * self.high:z.1f}"
        )
        return text if self.distinguishable else f"{text}: not distinguishable"


class Bootstrap:
    """Draws images with replacement, the same ones for all scores it is given.

    Metrics of two models on the same draws are paired: the values of one minus those of
    the other show whether their difference is more than chance. An interval says where
    the metric lies on other sets of the same number of images, drawn in the same way.

    A label of which no drawn image is positive is left out of the means of that draw.
    With fewer than five positives a label is almost always the same in every draw, so
    that it has no interval of its own, and makes that of the mean too narrow: see
    `few_positives`.

    Paper: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    Differs from its percentile interval: the interval is moved by the difference
    between the value and the mean of the draws, because an image that is drawn twice
    makes average precision too high.

    Args:
        targets: (N, L), 1 present, 0 absent, -1 unknown.
        labels: names, thresholds, and exclusive groups for accuracy.
        metric: what `value` and `values` compute: "mAP", the mean over labels with a
            positive; "accuracy", the mean over exclusive groups of the share of images
            whose label is right.
        groups: one key per image; images with the same key are drawn together, as
            photos of one object must be. None or "" is a group of its own. None draws
            single images.
        resamples: number of draws, at least 1.
        seed: of the draws.

    Raises:
        ValueError: if targets, labels and groups do not fit together, or there are
            fewer than two images or groups.

    Example:
        >>> random = np.random.default_rng(0)
        >>> targets = random.integers(0, 2, (200, 3))
        >>> bootstrap = Bootstrap(targets, Labels(("a", "b", "c")), resamples=200)
        >>> good = bootstrap.values(targets + random.normal(size=targets.shape))
        >>> bad = bootstrap.values(random.normal(size=targets.shape))
        >>> bootstrap.difference(good, bad).distinguishable
        True
    """

    def __init__(
        self,
        targets: np.ndarray,
        labels: Labels,
        *,
        metric: Metric = "mAP",
        groups: Sequence[Hashable] | None = None,
        resamples: int = 1000,
        seed: int = 0,
    ):
        check_number("resamples", resamples, at_least=1)
        if targets.ndim != 2 or targets.shape[1] != len(labels):
            raise ValueError(
                "`targets` must have one column per label; got shape "
                f"{targets.shape} for {len(labels)} labels."
            )
        self._targets = targets
        check_choice("metric", metric, "mAP", "accuracy")
        if metric == "accuracy":
            labels.require_exclusive()
        self._labels = labels
        self._metric = metric
        self._resamples = resamples
        self._seed = seed
        self._members = _members(len(targets), groups)

    @property
    def few_positives(self) -> list[str]:
        """Returns the labels with one to four positives."""
        counts = (self._targets == 1).sum(axis=0)
        names = zip(self._labels.names, counts, strict=True)
        return [name for name, count in names if 0 < count < FEW_POSITIVES]

    def value(self, scores: np.ndarray) -> float:
        """Computes the metric of the images as they are.

        Shapes: (N, L).
        """
        if self._metric == "accuracy":
            groups = self._labels.groups or {}
            return attribute_accuracy(self._targets, scores, groups)["accuracy"]
        return mean_average_precision(self._targets, scores)

    def values(self, scores: np.ndarray) -> np.ndarray:
        """Computes the metric of all draws, that of the images as they are first.

        Shapes: (N, L) to (1 + R,), for R resamples; NaN where it is undefined.

        Args:
            scores: probabilities or logits.
        """
        if self._metric == "accuracy":
            return self._accuracies(scores)["accuracy"]
        return _mean(self.precisions(scores))

    def precisions(self, scores: np.ndarray) -> np.ndarray:
        """Computes the average precision of each label on all draws.

        Shapes: (N, L) to (1 + R, L), NaN where no drawn image is positive.
        """
        self._check(scores)
        ranked = [
            _rank(truth, own)
            for truth, own in zip(self._targets.T, scores.T, strict=True)
        ]
        parts = []
        for weights in self.draws():
            columns = [
                np.full(weights.shape[1], np.nan) if each is None else each(weights)
                for each in ranked
            ]
            parts.append(np.stack(columns, axis=1))
        return np.concatenate(parts)

    def at_thresholds(
        self, probabilities: np.ndarray, thresholds: float | Sequence[float]
    ) -> dict[str, np.ndarray]:
        """Computes CF1, OF1 and exact on all draws, as `report_scores` defines them.

        Shapes: (N, L) to (1 + R,) each.

        Args:
            probabilities: 0-1.
            thresholds: probability from which a label counts as present, one for all
                labels or one each.
        """
        self._check(probabilities)
        targets = self._targets
        called = probabilities >= np.asarray(thresholds, probabilities.dtype)
        present, known = targets == 1, targets != -1
        right = ((called == present) | ~known).all(axis=1)
        marks = [called & present, called & known, present]
        columns = [np.asarray(each, np.float32) for each in (*marks, right[:, None])]
        parts: dict[str, list[np.ndarray]] = {"CF1": [], "OF1": [], "exact": []}
        for weights in self.draws():
            # Counts below 2**24 are exact in float32.
            hits, calls, positives, exact = (
                (weights.T @ each).astype(np.float64) for each in columns
            )
            counted = (positives > 0).astype(np.float64)
            share = np.maximum(counted.sum(axis=1), 1)
            parts["CF1"].append(
                _harmonic(
                    (_divide(hits, calls) * counted).sum(axis=1) / share,
                    (_divide(hits, positives) * counted).sum(axis=1) / share,
                )
            )
            overall = [each.sum(axis=1) for each in (hits, calls, positives)]
            parts["OF1"].append(
                _harmonic(_divide(*overall[:2]), _divide(overall[0], overall[2]))
            )
            parts["exact"].append(exact[:, 0] / weights.sum(axis=0))
        return {name: np.concatenate(values) for name, values in parts.items()}

    def metrics(self, probabilities: np.ndarray) -> dict[str, np.ndarray]:
        """Computes mAP, CF1, OF1 and exact on all draws, or accuracy, exact and mAP.

        The definitions and names are those of `report_scores`, at the thresholds of the
        labels.

        Shapes: (N, L) to (1 + R,) each.

        Args:
            probabilities: 0-1.
        """
        return self._metrics(probabilities, self.precisions(probabilities))

    def report(
        self, probabilities: np.ndarray
    ) -> tuple[dict[str, Interval], dict[str, Interval]]:
        """Computes the intervals of the metrics and of each label's precision.

        Metrics and labels that are the same in almost every draw have no interval, for
        one without width would look sure, nor do labels with few positives.

        Shapes: (N, L).

        Args:
            probabilities: 0-1.
        """
        precisions = self.precisions(probabilities)
        metrics = self._metrics(probabilities, precisions)
        few = self.few_positives
        own = {
            name: values
            for name, values in zip(self._labels.names, precisions.T, strict=True)
            if name not in few
        }
        return self._known_intervals(metrics), self._known_intervals(own)

    def interval(self, values: np.ndarray, level: float = 0.95) -> Interval:
        """Returns the interval of a metric that holds a share `level` of the draws.

        Args:
            values: of all draws, 0-1, that of the images as they are first.
            level: 0-1.
        """
        own = _interval(values, level)
        low, high = np.clip([own.low, own.high], 0.0, 1.0)
        return Interval(own.value, float(low), float(high))

    def difference(
        self, values: np.ndarray, other: np.ndarray, level: float = 0.95
    ) -> Interval:
        """Returns the interval of how much higher a metric is than another one.

        Args:
            values: of all draws, that of the images as they are first.
            other: of the same draws.
            level: 0-1.
        """
        return _interval(values - other, level)

    def draws(self) -> Iterator[np.ndarray]:
        """Yields how often each image is drawn: (N, R) blocks, first (N, 1) of ones."""
        members = self._members
        count = len(self._targets)
        yield np.ones((count, 1), np.float32)
        drawn = count if members is None else int(members.max()) + 1
        random = np.random.default_rng(self._seed)
        for start in range(0, self._resamples, _BLOCK):
            block = min(_BLOCK, self._resamples - start)
            chosen = random.integers(0, drawn, (block, drawn))
            chosen += drawn * np.arange(block)[:, None]
            times = np.bincount(chosen.ravel(), minlength=block * drawn)
            weights = times.reshape(block, drawn).T.astype(np.float32)
            yield weights if members is None else weights[members]

    def _known_intervals(self, named: Mapping[str, np.ndarray]) -> dict[str, Interval]:
        found = {}
        for name, values in named.items():
            each = self.interval(values)
            if each.low < each.high:
                found[name] = each
        return found

    def _metrics(
        self, probabilities: np.ndarray, precisions: np.ndarray
    ) -> dict[str, np.ndarray]:
        labels = self._labels
        found = self._accuracies(probabilities) if labels.exclusive else {}
        found["mAP"] = _mean(precisions)
        for group in labels.groups or ():
            found[f"mAP/{group}"] = _mean(precisions[:, labels.indices(group)])
        if not labels.exclusive:
            found |= self.at_thresholds(probabilities, labels.thresholds)
        return found

    def _accuracies(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        self._check(scores)
        hits, marks = [], []
        for columns in self._labels.exclusive_groups.values():
            truth = self._targets[:, columns] == 1
            marks.append(truth.any(axis=1))
            best = scores[:, columns].argmax(axis=1)
            hits.append(marks[-1] & (best == truth.argmax(axis=1)))
        right, known = (np.array(each, np.float32).T for each in (hits, marks))
        judged = known.any(axis=1)
        exact = ((right == known).all(axis=1) & judged).astype(np.float32)
        accuracies, exacts = [], []
        for weights in self.draws():
            found, counts = weights.T @ right, weights.T @ known
            share = np.where(counts > 0, _divide(found, counts), np.nan)
            accuracies.append(_mean(share.astype(np.float64)))
            total = weights.T @ judged.astype(np.float32)
            exacts.append(_divide(weights.T @ exact, total).astype(np.float64))
        return {
            "accuracy": np.concatenate(accuracies),
            "exact": np.concatenate(exacts),
        }

    def _check(self, scores: np.ndarray) -> None:
        if scores.shape != self._targets.shape:
            raise ValueError(
                f"`scores` must have the shape of the targets, {self._targets.shape}; "
                f"got {scores.shape}."
            )


def describe_few_positives(names: Sequence[str]) -> str:
    """Returns a sentence on labels with so few positives that intervals mislead.

    Args:
        names: of the labels, at least one.

    Example:
        >>> describe_few_positives(["bear"])
        '1 label has fewer than 5 positives, which makes intervals too narrow: bear.'
    """
    count = "1 label has" if len(names) == 1 else f"{len(names):,} labels have"
    return (
        f"{count} fewer than {FEW_POSITIVES} positives, which makes intervals too "
        f"narrow: {shorten_names(names, _SHOWN)}."
    )


class _Ranked:
    """Computes the average precision of one label on weighted images.

    Between two positives only the sum of the weights matters, so that one sort serves
    all draws, and the cumulative sums are as long as the label has distinct positives.
    """

    def __init__(self, truth: np.ndarray, scores: np.ndarray):
        order = np.argsort(-scores, kind="stable")
        ranked, truth = scores[order], truth[order] == 1
        positives = np.flatnonzero(truth)
        # The last image of each set of equal scores that holds a positive.
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        ends = np.unique(last[np.searchsorted(last, positives)])
        self._images = order[: ends[-1] + 1]
        self._starts = np.append(0, ends[:-1] + 1)
        self._positives = order[positives]
        self._firsts = np.searchsorted(positives, self._starts)

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Returns the average precision of weights (N, R): (R,), NaN if undefined."""
        images = np.add.reduceat(weights[self._images], self._starts, axis=0)
        gained = np.add.reduceat(weights[self._positives], self._firsts, axis=0)
        called = np.cumsum(images, axis=0, dtype=np.float64)
        found = np.cumsum(gained, axis=0, dtype=np.float64)
        sums = (gained * _divide(found, called)).sum(axis=0)
        return np.where(found[-1] > 0, _divide(sums, found[-1]), np.nan)


def _interval(values: np.ndarray, level: float) -> Interval:
    draws = values[1:][~np.isnan(values[1:])]
    if not len(draws) or np.isnan(values[0]):
        return Interval(float(values[0]), np.nan, np.nan)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    moved = values[0] - draws.mean()
    return Interval(float(values[0]), float(low + moved), float(high + moved))


def _rank(truth: np.ndarray, scores: np.ndarray) -> Callable[..., np.ndarray] | None:
    known = np.flatnonzero(truth != -1)
    if not (truth == 1).any():
        return None
    ranked = _Ranked(truth[known], scores[known])
    return ranked if len(known) == len(truth) else lambda w: ranked(w[known])


def _members(count: int, groups: Sequence[Hashable] | None) -> np.ndarray | None:
    """Returns the number of each image's group, None if each is its own."""
    if groups is None:
        members = None
    else:
        if len(groups) != count:
            raise ValueError(
                f"`groups` must have one key per image; got {len(groups)} for {count} "
                "images."
            )
        members = number_groups(groups)
        count = members.max(initial=-1) + 1
    if count < 2:
        raise ValueError(
            f"`targets` must hold at least two images or groups; got {count}."
        )
    return members


def number_groups(groups: Sequence[Hashable]) -> np.ndarray:
    """Returns the number of each image's group, from 0.

    Args:
        groups: one key per image; None or "" is a group of its own.

    Example:
        >>> number_groups(["a", "", "a", ""]).tolist()
        [0, 1, 0, 2]
    """
    keys: dict[Hashable, int] = {}
    return np.array(
        [
            keys.setdefault(("alone", row) if key in (None, "") else key, len(keys))
            for row, key in enumerate(groups)
        ],
        int,
    )


def _divide(parts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Divides counts, which are whole numbers: 0 / 0 is 0."""
    return parts / np.maximum(totals, 1)


def _harmonic(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return 2 * first * second / np.maximum(first + second, 1e-12)


def _mean(values: np.ndarray) -> np.ndarray:
    """Computes the mean of each row (R, L) without NaN; NaN if nothing is left."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
