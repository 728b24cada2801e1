"""Probabilities made to mean what they say."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from kmlic.metrics import check_scores

_METHODS = ("temperature", "platt", "isotonic")
_EDGE = 1e-7


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """Maps each label's scores to probabilities; made by `fit_calibration`.

    Args:
        method: "temperature", "platt" or "isotonic".
        lines: (L, 2), each label's scale and shift of logits; not for "isotonic".
        steps: each label's logits and probabilities, joined by straight lines and level
            beyond their ends; for "isotonic".
    """

    method: str
    lines: np.ndarray | None = None
    steps: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Gives the calibrated probabilities of scores.

        Shapes: (N, L) to (N, L) float64.

        Raises:
            ValueError: if there is not one column per label.
        """
        num_labels = len(self.steps if self.lines is None else self.lines)
        scores = np.asarray(scores)
        if scores.ndim != 2 or scores.shape[1] != num_labels:
            raise ValueError(
                "`scores` must have one column per label; got shape "
                f"{scores.shape} for {num_labels} labels."
            )
        logits = _logits(scores)
        if self.lines is not None:
            return 1 / (1 + np.exp(-(logits * self.lines[:, 0] + self.lines[:, 1])))
        columns = zip(logits.T, self.steps, strict=True)
        return np.stack([np.interp(x, *steps) for x, steps in columns], axis=1)


def fit_calibration(
    targets: np.ndarray,
    scores: np.ndarray,
    *,
    method: Literal["temperature", "platt", "isotonic"] = "temperature",
    min_positives: int = 20,
) -> Calibration:
    """Learns from validation scores what share of images a score stands for.

    "temperature" divides all logits by one number and so never changes an order, within
    labels or between them; "platt" scales and shifts the logits of each label;
    "isotonic" takes the rising staircase nearest to each label's targets, which needs
    many images and makes ties. Labels with few positives, or few negatives, share what
    is learned from all entries together.

    Paper: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
    https://arxiv.org/abs/1706.04599. Differs from it: each label is a yes-or-no
    question of its own.

    Shapes: (N, L) and (N, L).

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries are left out.
        scores: probabilities 0-1, as the model gives them.
        method: "temperature", "platt" or "isotonic".
        min_positives: positives, and negatives, from which a label has a calibration of
            its own; at least 1.

    Raises:
        ValueError: if shapes differ, a number is out of its limits, there is no
            positive or no negative, or higher scores do not stand for more positives.

    Example:
        >>> random = np.random.default_rng(0)
        >>> chances = random.uniform(size=(2000, 1))
        >>> targets = (random.uniform(size=(2000, 1)) < chances).astype(int)
        >>> logits = 3 * np.log(chances / (1 - chances))  # three times too sure
        >>> calibration = fit_calibration(targets, 1 / (1 + np.exp(-logits)))
        >>> bool(np.abs(calibration(1 / (1 + np.exp(-logits))) - chances).max() < 0.03)
        True
    """
    targets, scores = check_scores(targets, scores, probabilities=True)
    if method not in _METHODS:
        raise ValueError(f"`method` must be one of {_METHODS}; got method={method!r}.")
    if min_positives < 1:
        raise ValueError(
            f"`min_positives` must be at least 1; got min_positives={min_positives}."
        )
    known = targets >= 0
    counts = np.array([(targets == value).sum(axis=0) for value in (0, 1)])
    if not counts.any(axis=1).all():
        raise ValueError(
            "`targets` must have a positive and a negative; got "
            f"{counts[1].sum()} and {counts[0].sum()}."
        )
    logits = _logits(scores)
    fit: Callable[..., Any] = {
        "temperature": _temperature,
        "platt": _platt,
        "isotonic": _isotonic,
    }[method]
    common = fit(targets[known], logits[known])
    if method != "isotonic" and common[0] <= 0:
        raise ValueError(
            "`scores` must be higher for positives than for negatives; got the "
            f"opposite, a scale of {common[0]:.3g}."
        )
    maps = [common] * targets.shape[1]
    if method != "temperature":
        for label in np.flatnonzero((counts >= min_positives).all(axis=0)):
            rows = known[:, label]
            own = fit(targets[rows, label], logits[rows, label])
            # A label that the model has not learned keeps its order all the same.
            if method == "isotonic" or own[0] > 0:
                maps[label] = own
    if method == "isotonic":
        return Calibration(method, steps=tuple(maps))
    return Calibration(method, np.array(maps))


def _temperature(targets: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    model = LogisticRegression(C=np.inf, fit_intercept=False)
    return float(model.fit(logits[:, None], targets).coef_[0, 0]), 0.0


def _platt(targets: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    # Platt's targets, which are never quite 0 or 1, keep the scale finite.
    positives = (targets == 1).sum()
    negatives = len(targets) - positives
    share = np.where(
        targets == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2)
    )
    model = LogisticRegression(C=np.inf).fit(
        np.tile(logits, 2)[:, None],
        np.repeat([1, 0], len(targets)),
        sample_weight=np.concatenate([share, 1 - share]),
    )
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _isotonic(targets: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    model = IsotonicRegression(y_min=0, y_max=1).fit(logits, targets)
    return model.X_thresholds_, model.y_thresholds_


def _logits(scores: np.ndarray) -> np.ndarray:
    chances = np.clip(scores.astype("float64"), _EDGE, 1 - _EDGE)
    return np.log(chances) - np.log1p(-chances)
