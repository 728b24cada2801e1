"""Comparison of probabilities with thresholds, shared by several metrics."""

import numpy as np

from kmlic.metrics.check_scores import check_scores, check_threshold


def call_labels(
    targets, probabilities, threshold
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns which entries are predicted, present and known.

    Shapes: (N, L) and (N, L) to called, present and known, (N, L) of booleans.

    Raises:
        ValueError: if shapes differ or a number is out of its limits.
    """
    targets, probabilities = check_scores(
        targets, probabilities, name="probabilities", probabilities=True
    )
    check_threshold(targets.shape[1], threshold)
    called = probabilities >= np.asarray(threshold, probabilities.dtype)
    return called, targets == 1, targets != -1
