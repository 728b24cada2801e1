"""What hit rate and word similarity share: which labels an image's best ones are."""

import numpy as np
from keras import ops


def top_shares(targets, scores, k, xp):
    """Gives the chance of each label to be among the k best, ties broken at random.

    A label whose score is above the k-th best one has the chance 1; those that have
    just that score share the places that are left. Unknown labels take no place.

    Shapes: (B, L) and (B, L) to (B, L).

    Args:
        targets: 1 present, 0 absent, -1 unknown.
        scores: floating-point numbers of any kind; only their order counts.
        k: number of places.
        xp: `numpy` or `keras.ops`.
    """
    num_labels = scores.shape[-1]
    if k >= num_labels:
        return _number(targets != -1, xp)
    candidates = xp.where(targets == -1, -np.inf, scores)
    if xp is np:
        kth = np.partition(candidates, num_labels - k, axis=1)[:, num_labels - k, None]
    else:
        kth = ops.top_k(candidates, k)[0][:, -1:]
    above = _number(candidates > kth, xp)
    level = _number((candidates == kth) & (targets != -1), xp)
    places = k - xp.sum(above, axis=1, keepdims=True)
    return above + level * places / xp.maximum(xp.sum(level, axis=1, keepdims=True), 1)


def shares_of_present(targets, xp):
    """Gives each label that an image shows the same share of 1; none where it has none.

    Shapes: (B, L) to (B, L), and whether an image shows a label, (B,), 1 or 0.
    """
    present = _number(targets == 1, xp)
    counts = xp.sum(present, axis=1, keepdims=True)
    shares = present / xp.maximum(counts, 1)
    return shares, _number(counts[:, 0] > 0, xp)


def check_k(k, num_labels=None):
    """Refuses numbers of places below 1, or above the labels where they are known."""
    if k < 1 or (num_labels is not None and k > num_labels):
        most = "" if num_labels is None else f" and at most the {num_labels} labels"
        raise ValueError(f"`k` must be at least 1{most}; got k={k}.")


def _number(condition, xp):
    return condition.astype("float64") if xp is np else ops.cast(condition, "float64")
