"""Shares of entries, and of images, that are predicted correctly."""

from collections.abc import Sequence

import numpy as np

from kmlic.metrics._called import call_labels


def hamming_loss(
    targets: np.ndarray,
    probabilities: np.ndarray,
    *,
    threshold: float | Sequence[float] | np.ndarray = 0.5,
) -> float:
    """Returns the share of known entries that are predicted incorrectly.

    Shapes: (N, L) and (N, L) to a number 0-1, 0 when no target is known.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries are ignored.
        probabilities: 0-1.
        threshold: probability 0-1 from which a label is predicted present, one for all
            or one per label.

    Raises:
        ValueError: if shapes differ or a number is out of its limits.

    Example:
        >>> targets = np.array([[1, 0], [1, -1]])
        >>> round(hamming_loss(targets, np.array([[0.9, 0.2], [0.3, 0.9]])), 3)
        0.333
    """
    right, known = _right(targets, probabilities, threshold)
    return float((~right).sum() / max(known.sum(), 1))


def subset_accuracy(
    targets: np.ndarray,
    probabilities: np.ndarray,
    *,
    threshold: float | Sequence[float] | np.ndarray = 0.5,
) -> float:
    """Returns the share of images whose known labels are all predicted correctly.

    Shapes: (N, L) and (N, L) to a number 0-1, nan without images.

    Args:
        targets: as `hamming_loss` takes them.
        probabilities: as `hamming_loss` takes them.
        threshold: as `hamming_loss` takes it.

    Raises:
        ValueError: as `hamming_loss` does.

    Example:
        >>> targets = np.array([[1, 0], [1, -1]])
        >>> subset_accuracy(targets, np.array([[0.9, 0.2], [0.3, 0.9]]))
        0.5
    """
    right, _ = _right(targets, probabilities, threshold)
    return float(right.all(axis=1).mean()) if len(right) else float("nan")


def _right(targets, probabilities, threshold):
    called, present, known = call_labels(targets, probabilities, threshold)
    return (called == present) | ~known, known
