"""The mean of a metric of labels over labels, entries or images."""

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
    """Averages what a metric gives for each label.

    "macro", what papers report, is the mean over the labels of which the metric is a
    number; "weighted" counts each of them with its positives; "micro" takes all entries
    for those of one label; "samples" takes each image for a label, its labels for
    images, and averages over those that have a positive. The last two compare scores of
    different labels.

    Paper: the averages are those of scikit-learn. Differs from it: labels and images of
    which the metric is no number, such as those without positives, are left out, where
    it takes them for 0 or refuses them.

    Shapes: (N, L) and (N, L) to a number, nan where the metric is none anywhere.

    Args:
        metric: targets and scores (N, L) to one number per label, (L,), nan where there
            is none: `average_precision`, `roc_auc`, `precision_recall_auc`,
            `brier_score`.
        targets: 1 present, 0 absent, -1 unknown.
        scores: what the metric takes.
        average: "macro", "weighted", "micro" or "samples".

    Raises:
        ValueError: if there is no such average, and as the metric does.

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
