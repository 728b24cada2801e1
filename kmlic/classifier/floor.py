"""The third stage: logistic regression, below which no exported model falls."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from threadpoolctl import threadpool_limits

from kmlic.classifier.budget import Budget
from kmlic.classifier.candidate import Candidate, keep, key
from kmlic.classifier.features import Features, pooled_features
from kmlic.classifier.images import Images
from kmlic.classifier.logistic_regression import LinearWeights, logistic_regression
from kmlic.classifier.protocol import Protocol
from kmlic.evaluation.bootstrap import Bootstrap
from kmlic.known_names import Metric
from kmlic.metrics import average_precision

FLOOR = "logistic regression"

_STRENGTHS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
_FIRST_STRENGTH = 1e-2
# Loss of the metric after which no better strength is expected.
_NOISE = 1e-3
# Images that the strength shared by all labels counts as, against a label's own.
_PRIOR_POSITIVES = 50.0
# How much the earlier feature map counts beside the last one.
_SCALES = (0.0, 0.3)
# Beyond this, mirror images double the time and teach nothing.
_MOST_WITH_MIRRORS = 5000
_MOST_ROTATED = 3000
# Of the time left; what was not tried then is left out. Fine-tuning gains more from it.
_SHARE_OF_REST = 0.25
# Of the time left, after which a fit to all folds ends where it is.
_SHARE_OF_FIT = 0.15
_MOST_COLUMNS = 1000  # of the problems that are solved at once


@dataclasses.dataclass(frozen=True, eq=False)
class Floor:
    """Holds the logistic regressions of all labels and their scores.

    Args:
        candidate: its scores, and how it is built.
        weights: of the exported model, for features that are not standardised.
        refitted: whether they were fitted to all training images; where time ended the
            fits of the folds they are the mean of those.
        fold_weights: those of each fold, for features that are not standardised.
        columns: the features that they are weights of.
    """

    candidate: Candidate
    weights: LinearWeights
    refitted: bool
    fold_weights: tuple[LinearWeights, ...]
    columns: slice


def floor(
    images: Images,
    features: Features,
    protocol: Protocol,
    folder: Path,
    budget: Budget,
    *,
    metric: Metric = "mAP",
) -> Floor:
    """Fits one logistic regression per label, and chooses how strongly by its scores.

    Features are standardised. The strength is the best one for all labels together,
    sought upwards and downwards as long as scores gain. Whether the earlier feature map
    takes part, whether each label moves from that strength as far as its number of
    positives supports, and whether rare labels count more, is tried too, and taken
    where it is better in nine of ten draws of the images. Every score is of an image
    that was not fitted to. After a quarter of the time left nothing more is tried;
    the same call with more minutes tries it.

    Args:
        images: of all splits.
        features: of all images.
        protocol: what is fitted and what is scored.
        folder: where the result is kept.
        budget: pays for it, and says how much may be tried.
        metric: by which strengths are chosen.
    """
    name = key(
        "floor 6", features.fingerprint, metric, *map(np.concatenate, protocol.folds)
    )
    path = folder / f"floor-{name}.npz"
    ended_early = False
    if path.exists():
        with np.load(path, allow_pickle=False) as arrays:
            ended_early = bool(arrays["stopped_at"] < budget.seconds)
    known = keep(
        path,
        lambda: _fit(images, features, protocol, metric, budget),
        budget,
        again=ended_early,
    )
    if np.isfinite(known["stopped_at"]):
        budget.wish("more penalties of logistic regression")
    seconds = float(known["seconds"])
    weights = LinearWeights(known["kernel"], known["bias"])
    earlier = bool(known["scale"])

    def attach(backbone: keras.Model, prefix: str) -> keras.KerasTensor:
        pooled = pooled_features(backbone.outputs, prefix, earlier=earlier)
        dense = keras.layers.Dense(
            len(weights.bias), dtype="float32", name=f"{prefix}logits"
        )
        logits = dense(pooled)
        dense.set_weights([weights.kernel, weights.bias])
        return logits

    candidate = Candidate(FLOOR, known["logits"], seconds, attach)
    value = protocol.describe(images, metric, candidate.logits[0])
    strengths = known["strengths"]
    low, high = strengths.min(), strengths.max()
    extras = ", rare labels weighted" * bool(known["weighted"])
    extras += ", the earlier feature map too" * earlier
    budget.say(
        "floor",
        f"{FLOOR}, C {low:.2g} to {high:.2g}{extras}: {value}, in {seconds:.0f} s",
    )
    pairs = zip(known["fold_kernels"], known["fold_biases"], strict=True)
    return Floor(
        candidate,
        weights,
        bool(known["refitted"]),
        tuple(LinearWeights(*each) for each in pairs),
        features.columns(earlier),
    )


def clearly_better(bootstrap: Bootstrap, scores: np.ndarray, than: np.ndarray) -> bool:
    """Tells whether scores (2, M, L) are better in nine of ten draws of the images."""
    values, other = (bootstrap.values(each[0]) for each in (scores, than))
    return bootstrap.difference(values, other, 0.8).low > 0


def prior_logits(targets: np.ndarray) -> np.ndarray:
    """Returns the smoothed log odds of each label, (N, L) to (L,).

    A fold that holds a label's few positives leaves fewer of them to be fitted to, so
    that its scores are lower as a whole. Scores of several folds are only compared
    after these odds are taken off.
    """
    positives = (targets == 1).sum(axis=0) + 0.5
    negatives = (targets == 0).sum(axis=0) + 0.5
    return np.log(positives / negatives).astype("float32")


def _fit(
    images: Images,
    features: Features,
    protocol: Protocol,
    metric: Metric,
    budget: Budget,
) -> dict[str, np.ndarray]:
    rows = images.training_rows
    clock = _Clock(budget)
    mirrors = len(rows) <= _MOST_WITH_MIRRORS
    bootstrap = protocol.bootstrap(images, metric)
    # Threads that wait for one another lose more than they win on small matrices.
    with threadpool_limits(1 if len(rows) <= _MOST_ROTATED // 2 else None):
        problems: list[_Problem] = []
        for scale in _SCALES:
            if problems and not clock.allows_another_fit():
                break
            problem = _Problem(images, features, protocol, scale, mirrors, clock)
            near = problems[0].strengths[0] if problems else _FIRST_STRENGTH
            problem.choose(bootstrap, near)
            problems.append(problem)
        best = problems[0]
        for problem in problems[1:]:
            if clearly_better(bootstrap, problem.scores, best.scores):
                best = problem
        best.try_strengths_per_label(bootstrap)
        best.try_class_weights(bootstrap)
        return {
            **best.arrays(),
            "stopped_at": np.asarray(budget.seconds if clock.stopped else np.inf),
        }


class _Clock:
    """Tells whether there is time for another fit, and one to all images."""

    def __init__(self, budget: Budget):
        self._budget = budget
        self._least = (1 - _SHARE_OF_REST) * budget.left
        self._longest = 0.0
        self.stopped = False

    def allows_another_fit(self) -> bool:
        self.stopped |= self._budget.left - 2 * self._longest < self._least
        return not self.stopped

    @contextlib.contextmanager
    def fitting(self) -> Iterator[float]:
        """Yields the seconds that a fit may take."""
        before = self._budget.left
        yield max(_SHARE_OF_FIT * before, 1.0)
        self._longest = max(self._longest, before - self._budget.left)


class _Problem:
    """Logistic regressions on one set of features, in every fold."""

    def __init__(
        self,
        images: Images,
        features: Features,
        protocol: Protocol,
        scale: float,
        mirrors: bool,
        clock: _Clock,
    ):
        self.scale = scale
        self._labels = images.labels
        self._groups = list(images.labels.exclusive_groups.values())
        self._targets = images.targets
        self._protocol = protocol
        self._folds = [rows for rows, _ in protocol.folds]
        self._rows = images.training_rows
        self._mirrors = mirrors
        self._clock = clock
        own = features.pooled[:, self._rows, features.columns(bool(scale))]
        flat = own.reshape(-1, own.shape[-1])
        self._mean = flat.mean(axis=0)
        self._scale = 1 / np.maximum(flat.std(axis=0), 1e-6)
        if scale:
            last = features.columns(False)
            self._scale[: last.start] *= scale
            self._scale[last.stop :] *= scale
        flat = (flat - self._mean) * self._scale
        # Turned into the images' span, features give the same fit in less time: the
        # penalty knows no direction.
        self._basis: np.ndarray | None = None
        if len(flat) <= min(_MOST_ROTATED, 2 * own.shape[-1]):
            products = (flat @ flat.T).astype("float64")
            sizes, vectors = np.linalg.eigh(products)
            used = sizes > 1e-6 * sizes.max(initial=1e-12)
            roots = np.sqrt(sizes[used])
            self._basis = (flat.T @ (vectors[:, used] / roots)).astype("float32")
            flat = (vectors[:, used] * roots).astype("float32")
        self._views = flat.reshape(2, len(self._rows), -1)
        self._place = np.full(len(images.targets), -1)
        self._place[self._rows] = np.arange(len(self._rows))
        self.strengths = np.full(len(images.labels), _STRENGTHS[0])
        self.weighted = False
        self._fitted: list[LinearWeights] = []
        self.scores = np.empty((2, 0, 0))
        self._tried: dict[float, list[LinearWeights]] = {}
        self._tried_scores: dict[float, np.ndarray] = {}

    def choose(self, bootstrap: Bootstrap, near: float) -> None:
        """Tries strengths for all labels together, from one on as long as they gain."""
        values: dict[int, float] = {}
        for way in (1, -1):
            place = _STRENGTHS.index(near) + (way if values else 0)
            while 0 <= place < len(_STRENGTHS):
                if values and not self._clock.allows_another_fit():
                    break
                strength = _STRENGTHS[place]
                own = np.full(len(self._labels), strength)
                start = self._tried.get(_STRENGTHS[max(place - way, 0)])
                self._tried[strength] = self._fit_folds(self._folds, own, start=start)
                self._tried_scores[strength] = self._score(self._tried[strength])
                values[place] = bootstrap.value(self._tried_scores[strength][0])
                if values[place] < max(values.values()) - _NOISE:
                    break
                place += way
        best = _STRENGTHS[max(values, key=lambda each: values[each])]
        self.strengths = np.full(len(self._labels), best)
        self._fitted, self.scores = self._tried[best], self._tried_scores[best]

    def try_strengths_per_label(self, bootstrap: Bootstrap) -> None:
        """Lets labels with many positives have strengths of their own."""
        if self._groups:
            return
        truth = self._targets[self._protocol.scored]
        strengths = sorted(self._tried)
        fits = [self._tried[strength] for strength in strengths]
        scored = [self._tried_scores[strength][0] for strength in strengths]
        tried = np.array([average_precision(truth, own) for own in scored])
        shared = strengths.index(self.strengths[0])
        common = np.array([bootstrap.value(own) for own in scored])[:, None]
        count = (truth == 1).sum(axis=0)
        gained = count * (tried - tried[shared]) + _PRIOR_POSITIVES * (
            common - common[shared]
        )
        chosen = np.where(np.isnan(gained).any(axis=0), shared, gained.argmax(axis=0))
        columns = np.arange(len(chosen))
        fitted = [
            LinearWeights(
                np.array([own[fold].kernel for own in fits])[chosen, :, columns].T,
                np.array([own[fold].bias for own in fits])[chosen, columns],
                all(own[fold].converged for own in fits),
            )
            for fold in range(len(self._protocol.folds))
        ]
        scores = self._score(fitted)
        if clearly_better(bootstrap, scores, self.scores):
            self.strengths = np.array(strengths)[chosen]
            self._fitted, self.scores = fitted, scores

    def try_class_weights(self, bootstrap: Bootstrap) -> None:
        """Lets positives count as much as negatives."""
        if self._groups or not self._clock.allows_another_fit():
            return
        fitted = self._fit_folds(self._folds, self.strengths, True, self._fitted)
        scores = self._score(fitted)
        if clearly_better(bootstrap, scores, self.scores):
            self.weighted, self._fitted, self.scores = True, fitted, scores

    def arrays(self) -> dict[str, np.ndarray]:
        """Fits to all training images and returns everything that is kept.

        Where time ended the fits of the folds, it is their mean: a fit that comes
        nearer to its end has larger logits, for which no threshold was tuned.
        """
        final = LinearWeights(
            np.mean([each.kernel for each in self._fitted], axis=0),
            np.mean([each.bias for each in self._fitted], axis=0),
        )
        refitted = all(each.converged for each in self._fitted)
        if refitted:
            (final,) = self._fit_folds(
                [self._rows], self.strengths, self.weighted, [final]
            )
        else:
            shift = np.mean([self._shift(rows) for rows in self._folds], axis=0)
            final = LinearWeights(final.kernel, final.bias + shift)
        kernel, bias = self._unfold(final)
        folds = [self._unfold(each) for each in self._fitted]
        return {
            "logits": self.scores,
            "kernel": kernel,
            "bias": bias,
            "refitted": np.asarray(refitted),
            "fold_kernels": np.array([kernel for kernel, _ in folds]),
            "fold_biases": np.array([bias for _, bias in folds]),
            "strengths": self.strengths,
            "weighted": np.asarray(self.weighted),
            "scale": np.asarray(self.scale),
        }

    def _fit_folds(
        self,
        folds: list[np.ndarray],
        strengths: np.ndarray,
        weighted: bool = False,
        start: list[LinearWeights] | None = None,
    ) -> list[LinearWeights]:
        """Fits as many folds at once as memory allows: features are read once for all.

        The images that are not in a fold have weights of zero in its problem.
        """
        at_once = max(_MOST_COLUMNS // len(self._labels), 1)
        fitted: list[LinearWeights] = []
        firsts = range(0, len(folds), at_once)
        with self._clock.fitting() as seconds:
            for first in firsts:
                some = slice(first, first + at_once)
                begin = start[some] if start else None
                share = seconds / len(firsts)
                fitted += self._fit(folds[some], strengths, weighted, begin, share)
        return fitted

    def _fit(
        self,
        folds: list[np.ndarray],
        strengths: np.ndarray,
        weighted: bool,
        start: list[LinearWeights] | None,
        seconds: float,
    ) -> list[LinearWeights]:
        rows = np.unique(np.concatenate(folds))
        truth, count = self._targets[rows], len(self._labels)
        features = self._views[0, self._place[rows]]
        targets = np.tile(truth, len(folds))
        weights = np.hstack([self._weights(rows, fold, weighted) for fold in folds])
        if self._mirrors:
            features = np.concatenate([features, self._views[1, self._place[rows]]])
            targets = np.concatenate([targets, targets])
            weights = np.concatenate([weights, weights]) / 2
        columns = [slice(n * count, (n + 1) * count) for n in range(len(folds))]
        groups = [
            slice(own.start + group.start, own.start + group.stop)
            for own in columns
            for group in self._groups
        ]
        begin = None
        if start is not None:
            begin = LinearWeights(
                np.hstack([each.kernel for each in start]),
                np.hstack([each.bias for each in start]),
            )
        found = logistic_regression(
            features,
            targets,
            np.tile(strengths, len(folds)),
            groups=groups,
            weights=weights,
            start=begin,
            seconds=seconds,
        )
        self._clock.stopped |= not found.converged
        return [
            LinearWeights(found.kernel[:, own], found.bias[own], found.converged)
            for own in columns
        ]

    def _weights(
        self, rows: np.ndarray, fold: np.ndarray, weighted: bool
    ) -> np.ndarray:
        """Returns (N, L) weights of the entries of rows in the problem of a fold."""
        inside = np.isin(rows, fold)[:, None].astype("float32")
        if not weighted:
            return np.repeat(inside, len(self._labels), axis=1)
        own = self._targets[fold]
        positives = np.maximum((own == 1).sum(axis=0), 1)
        negatives = np.maximum((own == 0).sum(axis=0), 1)
        weights = np.where(self._targets[rows] == 1, negatives / positives, 1.0)
        weights = inside * weights * (len(own) / (2 * negatives))
        return weights.astype("float32")

    def _score(self, fitted: list[LinearWeights]) -> np.ndarray:
        plain, both = [], []
        for weights, (rows, scored) in zip(fitted, self._protocol.folds, strict=True):
            places = self._place[scored]
            shift = self._shift(rows)
            own, mirrored = (weights(view[places]) + shift for view in self._views)
            plain.append(own)
            both.append((own + mirrored) / 2)
        return np.array([np.concatenate(plain), np.concatenate(both)])

    def _shift(self, fold: np.ndarray) -> np.ndarray:
        """Returns what is added to a fold's logits, see `prior_logits`."""
        common = prior_logits(self._targets[self._rows])
        return common - prior_logits(self._targets[fold])

    def _unfold(self, weights: LinearWeights) -> tuple[np.ndarray, np.ndarray]:
        """Returns the weights of features as the backbone gives them."""
        kernel = weights.kernel if self._basis is None else self._basis @ weights.kernel
        kernel = kernel * self._scale[:, None]
        bias = weights.bias - self._mean @ kernel
        return kernel.astype("float32"), bias.astype("float32")
