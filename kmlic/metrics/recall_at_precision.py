"""The best recall at a precision, and the best precision at a recall."""

import numpy as np

from kmlic.check_number import check_number
from kmlic.metrics._ranking import Ranking, per_label


def recall_at_precision(
    targets: np.ndarray, scores: np.ndarray, precision: float
) -> np.ndarray:
    """Returns the highest recall of each label with at least a given precision.

    Paper: as torchmetrics' MultilabelRecallAtFixedPrecision. `tune_thresholds`
    returns thresholds.

    Shapes: (N, L) and (N, L) to (L,) float64.

    Args:
        targets: as `average_precision` takes them.
        scores: as `average_precision` takes them.
        precision: 0-1.

    Returns:
        One number 0-1 per label: 0 where no score has that precision, nan without
        positives.

    Raises:
        ValueError: if `precision` is out of its limits, and as `average_precision`.

    Example:
        >>> targets = np.array([[1], [0], [1], [1]])
        >>> scores = np.array([[0.9], [0.8], [0.7], [0.1]])
        >>> recall_at_precision(targets, scores, 0.9).round(3).tolist()
        [0.333]
    """
    check_number("precision", precision, at_least=0, at_most=1)

    def best(ranking: Ranking) -> float:
        reached = ranking.positives_from >= precision * ranking.images_from
        return ranking.positives_from[reached].max(initial=0) / ranking.num_positives

    return per_label(best, targets, scores)


def precision_at_recall(
    targets: np.ndarray, scores: np.ndarray, recall: float
) -> np.ndarray:
    """Returns the highest precision of each label with at least a given recall.

    Paper: as torchmetrics' MultilabelPrecisionAtFixedRecall.

    Shapes: (N, L) and (N, L) to (L,) float64.

    Args:
        targets: as `average_precision` takes them.
        scores: as `average_precision` takes them.
        recall: 0-1.

    Returns:
        One number 0-1 per label, nan without positives.

    Raises:
        ValueError: if `recall` is out of its limits, and as `average_precision`.

    Example:
        >>> targets = np.array([[1], [0], [1], [1]])
        >>> scores = np.array([[0.9], [0.8], [0.7], [0.1]])
        >>> precision_at_recall(targets, scores, 0.5).tolist()
        [0.75]
    """
    check_number("recall", recall, at_least=0, at_most=1)

    def best(ranking: Ranking) -> float:
        reached = ranking.positives_from >= recall * ranking.num_positives
        return (ranking.positives_from / ranking.images_from)[reached].max()

    return per_label(best, targets, scores)
