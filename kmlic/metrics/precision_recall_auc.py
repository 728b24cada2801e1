"""Exact area under the precision-recall curve of each label."""

import numpy as np

from kmlic.metrics._ranking import Ranking, per_label


def precision_recall_auc(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Computes the area under each label's precision-recall curve.

    The points at all distinct scores are joined by straight lines, as in scikit-learn's
    `auc(*precision_recall_curve(...))`; the curve starts with precision 1 at recall 0.
    Prefer `average_precision`: no threshold reaches the precisions on the lines between
    distant points. This one is here because papers report it.

    Paper: Davis and Goadrich, "The Relationship Between Precision-Recall and ROC
    Curves", ICML 2006, https://doi.org/10.1145/1143844.1143874. Differs from it: the
    points are joined by lines, not by its hyperbolas; and from keras.metrics.AUC, which
    bins the scores and uses the hyperbolas.

    Shapes: (N, L) and (N, L) to (L,) float64.

    Args:
        targets: as `average_precision` takes them.
        scores: as `average_precision` takes them.

    Returns:
        One number 0-1 per label, nan for labels without positives.

    Raises:
        ValueError: as `average_precision` does.

    Example:
        >>> targets = np.array([[1, 0], [0, 0], [1, -1]])
        >>> scores = np.array([[0.9, 0.2], [0.5, 0.1], [0.1, 0.3]])
        >>> precision_recall_auc(targets, scores).round(4).tolist()
        [0.7917, nan]
    """
    return per_label(_area, targets, scores)


def _area(ranking: Ranking) -> float:
    above = np.searchsorted(ranking.ranked, ranking.distinct, side="right")
    images_above = len(ranking.ranked) - above
    positives_above = ranking.positives_from - ranking.tied
    precision = ranking.positives_from / ranking.images_from
    precision_above = np.divide(
        positives_above, images_above, out=np.ones(len(above)), where=images_above > 0
    )
    heights = (precision + precision_above) / 2
    return float((ranking.tied * heights).sum() / ranking.num_positives)
