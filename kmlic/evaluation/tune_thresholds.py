"""Thresholds of labels, chosen on validation scores."""

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
    """Finds the probability from which each label is best called present.

    A label's own threshold is where its F-beta is highest, or where it reaches a
    precision with as much recall as it can, or a recall with as much precision. It lies
    half-way between two scores. Few positives make it a matter of luck, so it is drawn
    towards the global threshold, the best one for all entries together: on the scale of
    logits it counts with n and the global one with `shrinkage`, where n is the label's
    number of positives. A label that reaches the asked precision nowhere takes the
    point of its highest one. Tune on the validation split; the training split is too
    sure of itself, and the test split must not choose anything.

    Paper: Lipton et al., "Optimal Thresholding of Classifiers to Maximize F1 Measure",
    ECML PKDD 2014, https://doi.org/10.1007/978-3-662-44851-9_15, which shows how far
    single labels overfit. Differs from it: the shrinkage.

    Shapes: (N, L) and (N, L) to (L,) float64.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries are left out.
        scores: probabilities 0-1.
        beta: above 0; how many times recall counts as much as precision.
        precision: share 0-1 of right calls to reach, instead of F-beta.
        recall: share 0-1 of found positives to reach, instead of F-beta.
        shrinkage: positives that the global threshold is worth, 0 or above.
        min_positives: a label with fewer takes the global threshold; at least 1.

    Raises:
        ValueError: if shapes differ, a number is out of its limits, both a precision
            and a recall are asked for, or there is no positive at all.

    Example:
        >>> targets = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])
        >>> scores = np.array([[0.3, 0.4], [0.2, 0.9], [0.1, 0.5], [0.1, 0.8]])
        >>> tune_thresholds(targets, scores, shrinkage=0, min_positives=1).round(2)
        array([0.15, 0.65])
    """
    targets, scores = check_scores(targets, scores, probabilities=True)
    _require(targets, beta, precision, recall, shrinkage, min_positives)

    def best(truth: np.ndarray, chances: np.ndarray) -> float:
        return _best(truth, chances, beta, precision, recall)

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
        raise ValueError("`targets` must have a positive at least; got none.")
    if precision is not None and recall is not None:
        raise ValueError(
            "`precision` and `recall` must not both be given; got "
            f"precision={precision} and recall={recall}."
        )
    for name, value in (("precision", precision), ("recall", recall)):
        if value is not None and not 0 < value <= 1:
            raise ValueError(
                f"`{name}` must be a share above 0, up to 1; got {name}={value}."
            )
    for name, number, lowest in (
        ("shrinkage", shrinkage, 0),
        ("min_positives", min_positives, 1),
    ):
        if not number >= lowest:
            raise ValueError(
                f"`{name}` must be {lowest} or above; got {name}={number}."
            )
    if not beta > 0:
        raise ValueError(f"`beta` must be above 0; got beta={beta}.")


def _best(
    truth: np.ndarray,
    chances: np.ndarray,
    beta: float,
    precision: float | None,
    recall: float | None,
) -> float:
    order = np.argsort(chances, kind="stable")
    ranked = chances[order]
    # One candidate for each distinct score: that one and all above are called.
    first = np.flatnonzero(np.diff(ranked, prepend=-1.0))
    positives = truth.sum()
    right = positives - np.concatenate([[0], np.cumsum(truth[order])])[first]
    called = len(ranked) - first
    if precision is not None:
        reached = right / called
        candidates = np.flatnonzero(reached >= precision)
        index = candidates[0] if len(candidates) else reached.argmax()
    elif recall is not None:
        index = np.flatnonzero(right >= recall * positives)[-1]
    else:
        index = (right / (beta**2 * positives + called)).argmax()
    upper = ranked[first[index]]
    if index == 0:
        return float(upper)
    lower = ranked[first[index - 1]]
    middle = (float(lower) + float(upper)) / 2
    # Between neighbouring numbers of the scores' own precision there is no middle.
    return middle if lower < chances.dtype.type(middle) <= upper else float(upper)


def _between(own: float, common: float, weight: float) -> float:
    if weight == 0:
        return own
    chances = np.clip([own, common], _EDGE, 1 - _EDGE)
    logits = np.log(chances) - np.log1p(-chances)
    return float(1 / (1 + np.exp(-np.average(logits, weights=[1, weight]))))
