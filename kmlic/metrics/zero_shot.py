"""How well labels are found that were never trained, beside those that were."""

from collections.abc import Sequence

import numpy as np

from kmlic.metrics._top_labels import check_scores
from kmlic.metrics.hit_at_k import hit_at_k


def zero_shot_hits(
    targets: np.ndarray,
    scores: np.ndarray,
    seen: np.ndarray,
    *,
    ks: Sequence[int] = (1, 5, 10),
    bias: float = 0.0,
) -> dict[str, float]:
    """Computes hit@k of seen and unseen labels, with and without the others beside.

    `seen@k` and `unseen@k` have all labels as candidates (generalised zero-shot),
    `harmonic@k` is their harmonic mean; `unseen only@k` has only the unseen labels as
    candidates. An image counts on a side with those of its labels that are there.

    Paper: Xian et al., "Zero-Shot Learning - A Comprehensive Evaluation of the Good,
    the Bad and the Ugly", TPAMI 2019, section 4.2, https://arxiv.org/abs/1707.00600;
    Chao et al., "An Empirical Study and Analysis of Generalized Zero-Shot Learning for
    Object Recognition in the Wild", ECCV 2016, equation 3,
    https://arxiv.org/abs/1605.04253, for the bias. Differs from Xian et al.: images
    count alike, not labels.

    Shapes: (N, L), (N, L) and (L,) to numbers by name.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown labels are no candidates.
        scores: of all labels, comparable with each other.
        seen: whether a label was trained.
        ks: the values of k.
        bias: taken off the scores of the seen labels.

    Returns:
        Each 0-1; nan where no image shows a label of that side.

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
        on_seen, on_unseen = _both_sides(targets, biased, seen, k)
        hits[f"seen@{k}"] = on_seen
        hits[f"unseen@{k}"] = on_unseen
        hits[f"harmonic@{k}"] = harmonic_mean(on_seen, on_unseen)
        hits[f"unseen only@{k}"] = hit_at_k(targets[:, ~seen], scores[:, ~seen], k)
    return hits


def harmonic_mean(first: float, second: float) -> float:
    """Gives the harmonic mean of two shares, 0 where either is 0.

    Example:
        >>> round(harmonic_mean(0.5, 0.25), 4)
        0.3333
    """
    total = first + second
    return 2 * first * second / total if total else 0.0


def choose_seen_bias(
    targets: np.ndarray,
    scores: np.ndarray,
    seen: np.ndarray,
    *,
    k: int = 1,
    steps: int = 100,
) -> float:
    """Finds what to take off the scores of seen labels for the best harmonic mean.

    To be chosen on validation images, some of whose labels were kept from training:
    the true unseen labels must not choose it.

    Paper: Chao et al., as `zero_shot_hits`: "calibrated stacking".

    Shapes: (N, L), (N, L) and (L,) to a number.

    Args:
        targets: 1 present, 0 absent, -1 unknown.
        scores: of all labels.
        seen: whether a label was trained.
        k: of the harmonic mean.
        steps: values tried: between the images' own gaps from their best unseen to
            their best seen label.

    Raises:
        ValueError: if shapes do not fit, or labels of one side are missing.

    Example:
        >>> targets = np.array([[1, 0], [0, 1]])
        >>> scores = np.array([[0.9, 0.2], [0.6, 0.5]])
        >>> 0.1 < choose_seen_bias(targets, scores, np.array([True, False])) < 0.7
        True
    """
    targets, scores, seen = _checked(targets, scores, seen)
    candidates = np.where(targets == -1, -np.inf, scores)
    gaps = candidates[:, seen].max(axis=1) - candidates[:, ~seen].max(axis=1)
    gaps = np.unique(gaps[np.isfinite(gaps)])
    # Between two gaps nothing changes for k = 1; the smallest of the best is taken.
    middles = np.concatenate([gaps[:1], (gaps[1:] + gaps[:-1]) / 2, gaps[-1:]])
    picked = np.linspace(0, len(middles) - 1, min(steps, len(middles))).round()
    biases = [0.0, *middles[picked.astype(int)].tolist()]
    values = [
        harmonic_mean(*_both_sides(targets, scores - bias * seen, seen, k))
        for bias in biases
    ]
    return biases[int(np.argmax(np.nan_to_num(values)))]


def _checked(targets, scores, seen):
    targets, scores = check_scores(targets, scores)
    seen = np.asarray(seen, bool)
    if seen.shape != scores.shape[1:] or seen.all() or not seen.any():
        raise ValueError(
            f"`seen` must be ({scores.shape[1]},), with labels of both kinds; got "
            f"shape {seen.shape}, {int(seen.sum())} of them seen."
        )
    return targets, scores, seen


def _both_sides(targets, scores, seen, k):
    return [hit_at_k(_only(targets, side), scores, k) for side in (seen, ~seen)]


def _only(targets, side):
    """Keeps unknown entries and the labels of one side; the others become absent."""
    return np.where(side | (targets == -1), targets, 0)
