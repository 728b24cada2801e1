"""Checks of targets, scores and thresholds."""

from collections.abc import Sequence

import numpy as np


def check_scores(
    targets, scores, *, name: str = "scores", probabilities: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Returns targets and scores as arrays after checking all entries.

    Shapes: (N, L) and (N, L), both.

    Args:
        targets: 1 present, 0 absent, -1 unknown.
        scores: numbers.
        name: name of the scores in error messages.
        probabilities: whether scores must lie in 0-1.

    Raises:
        ValueError: if shapes differ, a target is another number, or a score is NaN or
            out of its limits.

    Example:
        >>> check_scores([[1]], [[2.5]], probabilities=True)
        Traceback (most recent call last):
            ...
        ValueError: `scores` must lie in 0-1; got 2.5 to 2.5. Apply a sigmoid to logits.
    """
    targets, scores = np.asarray(targets), np.asarray(scores)
    if targets.ndim != 2 or targets.shape != scores.shape:
        raise ValueError(
            f"`targets` and `{name}` must be (N, L) both; got shapes "
            f"{targets.shape} and {scores.shape}."
        )
    check_targets(targets)
    if np.isnan(scores).any():
        row, label = np.argwhere(np.isnan(scores))[0]
        raise ValueError(
            f"`{name}` must be numbers; got NaN in row {row}, label {label}."
        )
    if probabilities and not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(
            f"`{name}` must lie in 0-1; got {scores.min():g} to {scores.max():g}. "
            "Apply a sigmoid to logits."
        )
    return targets, scores


def check_targets(targets: np.ndarray) -> None:
    """Raises an error for targets (N, L) other than 1, 0 and -1.

    Raises:
        ValueError: naming the first one and its position.
    """
    strange = (targets != 1) & (targets != 0) & (targets != -1)
    if strange.any():
        row, label = np.argwhere(strange)[0]
        raise ValueError(
            f"`targets` must be 1, 0 or -1; got {targets[row, label]} in row {row}, "
            f"label {label}."
        )


def check_threshold(
    num_labels: int, threshold: float | Sequence[float] | np.ndarray
) -> None:
    """Raises an error unless a threshold is one probability or one per label.

    Raises:
        ValueError: with the value received.
    """
    values = np.asarray(threshold, "float64")
    if values.shape not in {(), (num_labels,)}:
        raise ValueError(
            f"`threshold` must be one number or one per label; got shape "
            f"{values.shape} for {num_labels} labels."
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            f"`threshold` must be a probability 0-1; got threshold={threshold}."
        )
