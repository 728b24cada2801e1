"""The mean of a metric over labels, entries or images."""

from collections.abc import Callable

import numpy as np

from kmlic.check_choice import check_choice
from kmlic.metrics.check_scores import check_scores

AVERAGES = ("macro", "weighted", "micro", "samples")


def average_metric(
    metric: Callable[[np.ndarray, np.ndarray], np.ndarray],
    targets: np.ndarray,
    scores: np.ndarray,
    *,
    average: str = "macro",
) -> float:
    """Averages a metric over labels, entries or images.

    "macro", which papers report, is the mean over the labels where the metric is
    defined; "weighted" weights them by their positives; "micro" treats all entries as
    those of one label; "samples" swaps images and labels, and averages over the images
    that have a positive. The last two compare scores of different labels.

    Paper: the averages are those of scikit-learn. Differs from it: labels and images
    where the metric is undefined, such as those without positives, are excluded, where
    it counts them as 0 or refuses them.

    Shapes: (N, L) and (N, L) to a number, nan where the metric is undefined everywhere.

    Args:
        metric: targets and scores (N, L) to one number per label (L,), nan where
            undefined: `average_precision`, `roc_auc`, `precision_recall_auc`,
            `brier_score`.
        targets: 1 present, 0 absent, -1 unknown.
        scores: as the metric takes them.
        average: "macro", "weighted", "micro" or "samples".

    Raises:
        ValueError: if `average` is unknown, and as the metric does.

    Example:
        >>> from kmlic.metrics import roc_auc
        >>> targets = np.array([[1, 0], [0, 1], [1, 0]])
        >>> scores = np.array([[0.9, 0.2], [0.5, 0.1], [0.1, 0.3]])
        >>> average_metric(roc_auc, targets, scores)
        0.25
    """
    check_choice("average", average, *AVERAGES)
    targets, scores = check_scores(targets, scores)
    if average == "micro":
        targets, scores = targets.reshape(-1, 1), scores.reshape(-1, 1)
    elif average == "samples":
        targets, scores = targets.T, scores.T
    values = metric(targets, scores)
    counted = ~np.isnan(values)
    positives = (targets == 1).sum(axis=0)
    if average == "samples":
        counted &= positives > 0
    weights = positives[counted] if average == "weighted" else None
    if not counted.any() or (weights is not None and not weights.any()):
        return float("nan")
    return float(np.average(values[counted], weights=weights))
