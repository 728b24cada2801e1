"""Normalised discounted cumulative gain of each image's labels."""

import numpy as np

from kmlic.check_number import check_number
from kmlic.metrics.check_scores import check_scores


def ndcg(targets: np.ndarray, scores: np.ndarray, *, k: int | None = None) -> float:
    """Sums the present labels of each image, weighted by their rank.

    A present label at rank r counts 1 / log2(r + 1); the sum is divided by that of the
    best order and averaged over the images that have a label. Ties share the mean of
    their ranks' weights.

    Paper: Jarvelin and Kekalainen, "Cumulated Gain-based Evaluation of IR Techniques",
    ACM TOIS 2002, https://doi.org/10.1145/582415.582418, as scikit-learn's ndcg_score.
    Differs from it: images without labels are excluded, where it counts them as 0.

    Shapes: (N, L) and (N, L) to a number 0-1, nan without positives.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown labels are not ranked.
        scores: logits or probabilities, comparable between labels.
        k: number of ranks that count, at least 1; None for all.

    Raises:
        ValueError: if shapes differ or a number is out of its limits.

    Example:
        >>> targets = np.array([[1, 0, 0], [0, 1, 1]])
        >>> scores = np.array([[0.2, 0.9, 0.1], [0.1, 0.8, 0.9]])
        >>> round(ndcg(targets, scores), 4)
        0.8155
    """
    targets, scores = check_scores(targets, scores)
    if k is not None:
        check_number("k", k, at_least=1)
    ranks = np.arange(targets.shape[1])
    discounts = 1 / np.log2(ranks + 2) * (ranks < (len(ranks) if k is None else k))
    cumulated = np.concatenate([[0], np.cumsum(discounts)])
    gains = [
        _gain(truth[known], own[known], cumulated)
        for truth, own, known in zip(targets, scores, targets != -1, strict=True)
        if (truth == 1).any()
    ]
    return float(np.mean(gains)) if gains else float("nan")


def _gain(truth: np.ndarray, scores: np.ndarray, cumulated: np.ndarray) -> float:
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    first = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    ends = np.append(first[1:], len(ranked))
    shares = np.add.reduceat((truth[order] == 1).astype(float), first) / (ends - first)
    gain = (shares * (cumulated[ends] - cumulated[first])).sum()
    return float(gain / cumulated[(truth == 1).sum()])
