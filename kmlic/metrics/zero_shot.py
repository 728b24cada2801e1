"""Hit rates of labels that were not trained, beside those that were."""

from collections.abc import Sequence

import numpy as np

from kmlic.metrics.check_scores import check_scores
from kmlic.metrics.hit_at_k import hit_at_k


def zero_shot_hits(
    targets: np.ndarray,
    scores: np.ndarray,
    seen: np.ndarray,
    *,
    ks: Sequence[int] = (1, 5, 10),
    bias: float = 0.0,
) -> dict[str, float]:
    """Computes hit@k of seen and unseen labels, alone and among all labels.

    `seen@k` and `unseen@k` have all labels as candidates (generalised zero-shot),
    `harmonic@k` is their harmonic mean; `unseen only@k` has the unseen labels as
    candidates. An image counts for each side on which it has labels, with those labels.

    Paper: Xian et al., "Zero-Shot Learning - A Comprehensive Evaluation of the Good,
    the Bad and the Ugly", TPAMI 2019, section 4.2, https://arxiv.org/abs/1707.00600;
    Chao et al., "An Empirical Study and Analysis of Generalized Zero-Shot Learning for
    Object Recognition in the Wild", ECCV 2016, equation 3,
    https://arxiv.org/abs/1605.04253, for the bias. Differs from Xian et al.: images
    have equal weight, not labels.

    Shapes: (N, L), (N, L) and (L,) to numbers by name.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown labels are no candidates.
        scores: of all labels, comparable with each other.
        seen: whether each label was trained.
        ks: the values of k.
        bias: subtracted from the scores of the seen labels.

    Returns:
        Each 0-1; nan if no image has a label of that side.

    Raises:
        ValueError: if shapes do not fit, or labels of one side are missing.

    Example:
        >>> targets = np.array([[1, 0], [0, 1]])
        >>> scores = np.array([[0.9, 0.2], [0.6, 0.5]])
        >>> seen = np.array([True, False])
        >>> zero_shot_hits(targets, scores, seen, ks=(1,))["unseen@1"]
        0.0
        >>> zero_shot_hits(targets, scores, seen, ks=(1,), bias=0.3)["harmonic@1"]
        1.0
    """
    targets, scores, seen = _checked(targets, scores, seen)
    biased = scores - bias * seen
    hits: dict[str, float] = {}
    for k in ks:
        on_seen, on_unseen = (
            hit_at_k(_only(targets, side), biased, k) for side in (seen, ~seen)
        )
        hits[f"seen@{k}"] = on_seen
        hits[f"unseen@{k}"] = on_unseen
        hits[f"harmonic@{k}"] = harmonic_mean(on_seen, on_unseen)
        hits[f"unseen only@{k}"] = hit_at_k(targets[:, ~seen], scores[:, ~seen], k)
    return hits


def harmonic_mean(first: float, second: float) -> float:
    """Returns the harmonic mean of two shares, 0 where either is 0.

    Example:
        >>> round(harmonic_mean(0.5, 0.25), 4)
        0.3333
    """
    total = first + second
    return 2 * first * second / total if total else 0.0


def choose_seen_bias(
    targets: np.ndarray, scores: np.ndarray, seen: np.ndarray, *, k: int = 1
) -> float:
    """Finds the bias of seen labels' scores with the best harmonic mean.

    Choose it on validation images, some of whose labels were excluded from training;
    never on the true unseen labels. A label of an image enters or leaves the top k at
    one bias, so only those biases need to be tried.

    Paper: Chao et al., as `zero_shot_hits`: "calibrated stacking".

    Shapes: (N, L), (N, L) and (L,) to a number.

    Args:
        targets: 1 present, 0 absent, -1 unknown.
        scores: of all labels.
        seen: whether each label was trained.
        k: of the harmonic mean.

    Returns:
        The smallest of the best biases, midway between two that change a hit; 0 if none
        is better, or one side has no images.

    Raises:
        ValueError: if shapes do not fit, or labels of one side are missing.

    Example:
        >>> targets = np.array([[1, 0], [0, 1]])
        >>> scores = np.array([[0.9, 0.2], [0.6, 0.5]])
        >>> bias = choose_seen_bias(targets, scores, np.array([True, False]))
        >>> round(bias, 4)  # between 0.6 - 0.5 and 0.9 - 0.2
        0.4
    """
    targets, scores, seen = _checked(targets, scores, seen)
    lost, shares_lost = _thresholds(targets, scores, seen, k)
    gained, shares_gained = _thresholds(targets, scores, ~seen, k)
    if not len(lost) or not len(gained):
        return 0.0
    edges = np.unique(np.concatenate([-lost, gained]))
    edges = edges[np.isfinite(edges)]
    if not len(edges):
        return 0.0
    middles = (edges[1:] + edges[:-1]) / 2
    biases = np.concatenate([[0.0], edges[:1] - 1, middles, edges[-1:] + 1])
    on_seen = _share_below(-biases, lost, shares_lost)
    on_unseen = _share_below(biases, gained, shares_gained)
    values = [*map(harmonic_mean, on_seen.tolist(), on_unseen.tolist())]
    return float(biases[int(np.argmax(values))])


def _thresholds(
    targets: np.ndarray, scores: np.ndarray, side: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Computes the gain that each present label of one side needs for the top k.

    The gain is added to all scores of that side.

    Returns:
        Gains in ascending order, -inf where any is enough and inf where none is, and
        each label's share of the mean over images.
    """
    candidates = np.where(targets == -1, -np.inf, scores)
    present = (targets == 1) & side
    rows, labels = np.nonzero(present)
    right = scores[rows, labels]
    above = (candidates[rows][:, side] > right[:, None]).sum(axis=1)
    others = -np.sort(-candidates[:, ~side], axis=1)
    # As many labels of the other side may score higher as there are ranks left.
    left = k - 1 - above
    limits = others[rows, np.clip(left, 0, others.shape[1] - 1)]
    limits = np.where(left < others.shape[1], limits, -np.inf)
    gains = np.where(left < 0, np.inf, limits - right)
    shares = 1 / present.sum(axis=1)[rows] / max(1, present.any(axis=1).sum())
    order = np.argsort(gains, kind="stable")
    return gains[order], shares[order]


def _share_below(
    gains: np.ndarray, thresholds: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Returns the share of images whose labels reach the top k with each gain."""
    total = np.concatenate([[0.0], np.cumsum(shares)])
    return total[np.searchsorted(thresholds, gains)]


def _checked(targets, scores, seen):
    targets, scores = check_scores(targets, scores)
    seen = np.asarray(seen, bool)
    if seen.shape != scores.shape[1:] or seen.all() or not seen.any():
        raise ValueError(
            f"`seen` must be ({scores.shape[1]},), with labels of both kinds; got "
            f"shape {seen.shape}, {int(seen.sum())} of them seen."
        )
    return targets, scores, seen


def _only(targets, side):
    """Keeps unknown entries and the labels of one side; the others become absent."""
    return np.where(side | (targets == -1), targets, 0)
