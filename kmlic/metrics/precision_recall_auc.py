"""Exact area under the precision-recall curve of each label."""

import numpy as np

from kmlic.metrics._ranking import Ranking, per_label


def precision_recall_auc(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Joins the points of each label's precision-recall curve and measures the area.

    The points are those of all distinct scores, joined by straight lines as by
    scikit-learn's `auc(*precision_recall_curve(...))`; the curve begins with precision
    1 at recall 0. Lines between far points are no precision that any threshold gives,
    which `average_precision` does without; it is here as papers report it.

    Paper: Davis and Goadrich, "The Relationship Between Precision-Recall and ROC
    Curves", ICML 2006, https://doi.org/10.1145/1143844.1143874. Differs from it: the
    points are joined by lines, not by its hyperbolas; and from keras.metrics.AUC, which
    counts in bins of scores and takes the hyperbolas.

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
