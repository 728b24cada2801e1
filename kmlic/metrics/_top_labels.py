"""The top k labels of images with ties, shared by hit rate and word similarity."""

import numpy as np
from keras import ops


def top_shares(targets, scores, k, xp):
    """Computes each label's probability to be in the top k with random ties.

    Labels above the k-th best score have probability 1; labels with that score share
    the remaining ranks. Unknown labels are no candidates.

    Shapes: (B, L) and (B, L) to (B, L).

    Args:
        targets: 1 present, 0 absent, -1 unknown.
        scores: floating-point numbers of any kind; only their order counts.
        k: number of labels.
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
    left = k - xp.sum(above, axis=1, keepdims=True)
    return above + level * left / xp.maximum(xp.sum(level, axis=1, keepdims=True), 1)


def shares_of_present(targets, xp):
    """Divides 1 equally among the present labels of each image.

    Shapes: (B, L) to (B, L), and whether an image has a label, (B,), 1 or 0.
    """
    present = _number(targets == 1, xp)
    counts = xp.sum(present, axis=1, keepdims=True)
    shares = present / xp.maximum(counts, 1)
    return shares, _number(counts[:, 0] > 0, xp)


def _number(condition, xp):
    return condition.astype("float64") if xp is np else ops.cast(condition, "float64")
