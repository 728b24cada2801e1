"""Calibration of predicted probabilities."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from kmlic.check_choice import check_choice
from kmlic.metrics import check_scores

_EDGE = 1e-7


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """Maps each label's scores to probabilities; made by `fit_calibration`.

    Args:
        method: "temperature", "platt" or "isotonic".
        lines: (L, 2), scale and shift of the logits of each label; None for "isotonic".
        steps: logits and probabilities of each label, interpolated linearly and
            constant beyond their ends; for "isotonic" only.
    """

    method: str
    lines: np.ndarray | None = None
    steps: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Returns the calibrated probabilities of scores.

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
    """Fits a calibration of probabilities to the targets and scores of a split.

    "temperature" divides all logits by one number, which keeps the order of all scores;
    "platt" scales and shifts the logits of each label; "isotonic" fits a rising step
    function to the targets of each label, which needs many images and makes ties.
    Labels with few positives or few negatives use the calibration of all entries.

    Paper: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, https://arxiv.org/abs/1706.04599. Differs from it: each label is a binary
    classification.

    Shapes: (N, L) and (N, L).

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries are left out.
        scores: probabilities 0-1 from the model.
        method: "temperature", "platt" or "isotonic".
        min_positives: number of positives, and of negatives, from which a label has its
            own calibration; at least 1.

    Raises:
        ValueError: if shapes differ, a number is out of its limits, there is no
            positive or no negative, or higher scores do not mean more positives.

    Example:
        >>> random = np.random.default_rng(0)
        >>> truth = random.uniform(size=(2000, 1))
        >>> targets = (random.uniform(size=(2000, 1)) < truth).astype(int)
        >>> logits = 3 * np.log(truth / (1 - truth))  # three times too large
        >>> calibration = fit_calibration(targets, 1 / (1 + np.exp(-logits)))
        >>> bool(np.abs(calibration(1 / (1 + np.exp(-logits))) - truth).max() < 0.03)
        True
    """
    targets, scores = check_scores(targets, scores, probabilities=True)
    fits: dict[str, Callable[..., Any]] = {
        "temperature": _temperature,
        "platt": _platt,
        "isotonic": _isotonic,
    }
    check_choice("method", method, *fits)
    fit = fits[method]
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
            # Keep the order of the scores of a label that the model has not learned.
            if method == "isotonic" or own[0] > 0:
                maps[label] = own
    if method == "isotonic":
        return Calibration(method, steps=tuple(maps))
    return Calibration(method, np.array(maps))


def _temperature(targets: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    model = LogisticRegression(C=np.inf, fit_intercept=False)
    return float(model.fit(logits[:, None], targets).coef_[0, 0]), 0.0


def _platt(targets: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    # Platt's targets, never exactly 0 or 1, keep the scale finite.
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
    clipped = np.clip(scores.astype("float64"), _EDGE, 1 - _EDGE)
    return np.log(clipped) - np.log1p(-clipped)
