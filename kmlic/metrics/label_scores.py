"""Precision, recall and other measures of binary predictions."""

from collections.abc import Mapping, Sequence

import numpy as np

from kmlic.check_choice import check_choice
from kmlic.check_number import check_number
from kmlic.metrics._called import call_labels
from kmlic.metrics.average_metric import AVERAGES

Counts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def label_confusion(
    targets: np.ndarray,
    probabilities: np.ndarray,
    *,
    threshold: float | Sequence[float] | np.ndarray = 0.5,
) -> np.ndarray:
    """Counts true and false positives and negatives of each label.

    Shapes: (N, L) and (N, L) to (L, 2, 2) int64: [absent, present] by [predicted
    absent, predicted present], as scikit-learn's multilabel_confusion_matrix.

    Args:
        targets: as `hamming_loss` takes them.
        probabilities: as `hamming_loss` takes them.
        threshold: as `hamming_loss` takes it.

    Raises:
        ValueError: if shapes differ or a number is out of its limits.

    Example:
        >>> targets = np.array([[1, 0], [1, -1], [0, 1]])
        >>> probabilities = np.array([[0.9, 0.2], [0.3, 0.9], [0.8, 0.6]])
        >>> label_confusion(targets, probabilities)[0].tolist()
        [[0, 1], [1, 1]]
    """
    counts = _counts(*call_labels(targets, probabilities, threshold), axis=0)
    right, wrong, missed, rejected = counts
    return np.stack([rejected, wrong, missed, right], axis=-1).reshape(-1, 2, 2)


def label_scores(
    targets: np.ndarray,
    probabilities: np.ndarray,
    *,
    threshold: float | Sequence[float] | np.ndarray = 0.5,
    average: str | None = "macro",
    beta: float = 1.0,
) -> Mapping[str, float | np.ndarray]:
    """Computes eight measures of binary predictions.

    "precision", "recall", "specificity", "negative_predictive_value", "accuracy", "F"
    (F-beta: recall has `beta` times the weight of precision), "jaccard" (intersection
    over union) and "matthews" (correlation, -1 to 1). A quotient 0 / 0 is 0.

    "micro" counts all entries together; "macro" is the mean over the labels that have a
    positive, "weighted" weights them by their positives; "samples" is the mean over the
    images that have a positive. None returns the values of each label. CF1, which
    papers report, is in `precision_recall_f1`: it combines mean precision and mean
    recall.

    Paper: as scikit-learn's precision_recall_fscore_support, jaccard_score and
    matthews_corrcoef with zero_division=0. Differs from them: labels and images without
    positives are excluded from the means.

    Shapes: (N, L) and (N, L) to numbers, or to (L,) float64 each.

    Args:
        targets: as `hamming_loss` takes them.
        probabilities: as `hamming_loss` takes them.
        threshold: as `hamming_loss` takes it.
        average: "macro", "weighted", "micro", "samples" or None.
        beta: above 0.

    Raises:
        ValueError: if `average` is unknown, shapes differ or a number is out of its
            limits.

    Example:
        >>> targets = np.array([[1, 0], [1, -1], [0, 1]])
        >>> probabilities = np.array([[0.9, 0.2], [0.3, 0.9], [0.8, 0.6]])
        >>> found = label_scores(targets, probabilities, average="micro")
        >>> {name: round(found[name], 3) for name in ("precision", "recall", "jaccard")}
        {'precision': 0.667, 'recall': 0.667, 'jaccard': 0.5}
    """
    check_choice("average", average, None, *AVERAGES)
    check_number("beta", beta, above=0)
    called, present, known = call_labels(targets, probabilities, threshold)
    axis = {"micro": None, "samples": 1}.get(average or "", 0)
    counts = _counts(called, present, known, axis=axis)
    values = _scores(counts, beta)
    if average is None:
        return values
    positives = np.atleast_1d(counts[0] + counts[2])
    counted = positives > 0
    if not counted.any():
        return dict.fromkeys(values, float("nan"))
    weights = positives[counted] if average == "weighted" else None
    return {
        name: float(np.average(np.atleast_1d(value)[counted], weights=weights))
        for name, value in values.items()
    }


def _counts(
    called: np.ndarray, present: np.ndarray, known: np.ndarray, axis: int | None
) -> Counts:
    """Counts true positives, false positives, false negatives, true negatives."""
    return (
        (called & present).sum(axis=axis),
        (called & known & ~present).sum(axis=axis),
        (~called & present).sum(axis=axis),
        (~called & known & ~present).sum(axis=axis),
    )


def _scores(counts: Counts, beta: float) -> dict[str, np.ndarray]:
    right, wrong, missed, rejected = (np.asarray(x, "float64") for x in counts)
    called, present = right + wrong, right + missed
    others, absent = rejected + missed, rejected + wrong
    spread = np.sqrt(called) * np.sqrt(present) * np.sqrt(others) * np.sqrt(absent)
    return {
        "precision": _share(right, called),
        "recall": _share(right, present),
        "specificity": _share(rejected, absent),
        "negative_predictive_value": _share(rejected, others),
        "accuracy": _share(right + rejected, present + absent),
        "F": _share((1 + beta**2) * right, beta**2 * present + called),
        "jaccard": _share(right, called + missed),
        "matthews": _share(right * rejected - wrong * missed, spread),
    }


def _share(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.divide(part, total, out=np.zeros(np.shape(total)), where=total > 0)
