"""Thresholds of labels, tuned on validation scores."""

import functools

import numpy as np

from kmlic.metrics import check_scores

_EDGE = 1e-6


def tune_thresholds(
    targets: np.ndarray,
    scores: np.ndarray,
    *,
    beta: float = 1.0,
    precision: float | None = None,
    recall: float | None = None,
    shrinkage: float = 10.0,
    min_positives: int = 5,
) -> np.ndarray:
    """Computes the probability threshold of each label from targets and scores.

    The threshold of a label maximises its F-beta, or its recall at a given precision,
    or its precision at a given recall; it is half-way between two scores. With few
    positives it is unreliable, so it is shrunk towards the global threshold, which is
    the best one for all entries together: their logits are averaged, weighted by the
    label's number of positives and by `shrinkage`. A label that never reaches the given
    precision gets the threshold of its highest precision. Tune on the validation split:
    scores of the training split are too high, and the test split must not choose
    anything.

    Paper: Lipton, Elkan and Narayanaswamy, "Optimal Thresholding of Classifiers to
    Maximize F1 Measure", ECML PKDD 2014,
    https://doi.org/10.1007/978-3-662-44851-9_15, which shows how far single labels
    overfit. Differs from it: the shrinkage.

    Shapes: (N, L) and (N, L) to (L,) float64.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries are left out.
        scores: probabilities 0-1.
        beta: weight of recall relative to precision, above 0.
        precision: precision 0-1 to reach, instead of F-beta.
        recall: recall 0-1 to reach, instead of F-beta.
        shrinkage: weight of the global threshold, in positives; 0 or above.
        min_positives: a label with fewer positives gets the global threshold; at
            least 1.

    Raises:
        ValueError: if shapes differ, a number is out of its limits, both precision and
            recall are given, or there is no positive.

    Example:
        >>> targets = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])
        >>> scores = np.array([[0.3, 0.4], [0.2, 0.9], [0.1, 0.5], [0.1, 0.8]])
        >>> tune_thresholds(targets, scores, shrinkage=0, min_positives=1).round(2)
        array([0.15, 0.65])
    """
    targets, scores = check_scores(targets, scores, probabilities=True)
    _require(targets, beta, precision, recall, shrinkage, min_positives)

    best = functools.partial(_best, beta=beta, precision=precision, recall=recall)
    known = targets >= 0
    common = best(targets[known] == 1, scores[known])
    thresholds = np.full(targets.shape[1], common)
    for label, counted in enumerate(known.T):
        truth = targets[counted, label] == 1
        positives = truth.sum()
        if positives >= min_positives:
            own = best(truth, scores[counted, label])
            thresholds[label] = _between(own, common, shrinkage / positives)
    return thresholds


def _require(
    targets: np.ndarray,
    beta: float,
    precision: float | None,
    recall: float | None,
    shrinkage: float,
    min_positives: int,
) -> None:
    if not (targets == 1).any():
        raise ValueError("`targets` must have at least one positive; got none.")
    if precision is not None and recall is not None:
        raise ValueError(
            "`precision` and `recall` must not both be given; got "
            f"precision={precision} and recall={recall}."
        )
    for name, value, fits, rule in (
        ("precision", precision, precision is None or 0 < precision <= 1, "in (0, 1]"),
        ("recall", recall, recall is None or 0 < recall <= 1, "in (0, 1]"),
        ("shrinkage", shrinkage, shrinkage >= 0, "0 or above"),
        ("min_positives", min_positives, min_positives >= 1, "1 or above"),
        ("beta", beta, beta > 0, "above 0"),
    ):
        if not fits:
            raise ValueError(f"`{name}` must be {rule}; got {name}={value}.")


def _best(
    truth: np.ndarray,
    scores: np.ndarray,
    beta: float,
    precision: float | None,
    recall: float | None,
) -> float:
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    # One candidate for each distinct score, which predicts it and all above.
    first = np.flatnonzero(np.diff(ranked, prepend=-1.0))
    positives = truth.sum()
    right = positives - np.concatenate([[0], np.cumsum(truth[order])])[first]
    predicted = len(ranked) - first
    if precision is not None:
        reached = right / predicted
        candidates = np.flatnonzero(reached >= precision)
        index = candidates[0] if len(candidates) else reached.argmax()
    elif recall is not None:
        index = np.flatnonzero(right >= recall * positives)[-1]
    else:
        index = (right / (beta**2 * positives + predicted)).argmax()
    upper = ranked[first[index]]
    if index == 0:
        return float(upper)
    lower = ranked[first[index - 1]]
    middle = (float(lower) + float(upper)) / 2
    # There is no middle between adjacent numbers of the dtype of the scores.
    return middle if lower < scores.dtype.type(middle) <= upper else float(upper)


def _between(own: float, common: float, weight: float) -> float:
    if weight == 0:
        return own
    scores = np.clip([own, common], _EDGE, 1 - _EDGE)
    logits = np.log(scores) - np.log1p(-scores)
    return float(1 / (1 + np.exp(-np.average(logits, weights=[1, weight]))))
