"""Exact area under the ROC curve of each label."""

import numpy as np

from kmlic.metrics._ranking import Ranking, per_label


def roc_auc(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns the probability that a positive of a label scores above a negative.

    Ties count half. It is the Mann-Whitney U statistic divided by the number of pairs,
    which is the area under the ROC curve.

    Paper: Hanley and McNeil, "The Meaning and Use of the Area under a Receiver
    Operating Characteristic (ROC) Curve", Radiology 1982,
    https://doi.org/10.1148/radiology.143.1.7063747.

    Shapes: (N, L) and (N, L) to (L,) float64.

    Args:
        targets: as `average_precision` takes them.
        scores: as `average_precision` takes them.

    Returns:
        One number 0-1 per label, nan for labels without positives or negatives.

    Raises:
        ValueError: as `average_precision` does.

    Example:
        >>> targets = np.array([[1, 0], [0, 0], [1, -1]])
        >>> scores = np.array([[0.9, 0.2], [0.5, 0.1], [0.1, 0.3]])
        >>> roc_auc(targets, scores).tolist()
        [0.5, nan]
    """
    return per_label(_area, targets, scores)


def _area(ranking: Ranking) -> float:
    pairs = ranking.num_positives * (len(ranking.ranked) - ranking.num_positives)
    if not pairs:
        return np.nan
    above = np.searchsorted(ranking.ranked, ranking.distinct, side="right")
    negatives_from = ranking.images_from - ranking.positives_from
    negatives_above = (
        len(ranking.ranked) - above - (ranking.positives_from - ranking.tied)
    )
    wrong = ranking.tied * (negatives_from + negatives_above) / 2
    return float(1 - wrong.sum() / pairs)
