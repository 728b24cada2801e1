"""Handling of right and wrong labels, shared by losses over similarities."""

import numpy as np
from keras import ops

from kmlic.losses._known_entries import nan_where_wrong


def check_shared_labels(shared_labels):
    """Returns groups of label indices as lists of integers.

    Raises:
        ValueError: if a group does not have two or more different indices.
    """
    groups = [[int(index) for index in group] for group in shared_labels]
    for group in groups:
        if len(set(group)) != len(group) or len(group) < 2 or min(group) < 0:
            raise ValueError(
                "`shared_labels` must be groups of two or more different indices; got "
                f"{group}."
            )
    return groups


def present_and_wrong(y_true, num_labels, shared_labels):
    """Returns which labels of each image are present and which are wrong.

    A label is wrong if it is absent and does not share the vector of a present one.

    Shapes: (B, L) to present (B, L) and wrong (B, L), float32, 1 or 0.
    """
    present = nan_where_wrong(y_true, ops.cast(ops.equal(y_true, 1), "float32"))
    wrong = ops.cast(ops.equal(y_true, 0), "float32")
    if not shared_labels:
        return present, wrong
    largest = max(max(group) for group in shared_labels)
    if largest >= num_labels:
        raise ValueError(
            f"`shared_labels` must be indices below the {num_labels} labels; got "
            f"{largest}."
        )
    same = np.zeros((num_labels, num_labels), "float32")
    for group in shared_labels:
        same[np.ix_(group, group)] = 1
    blocked = ops.matmul(present, same) > 0
    return present, ops.where(blocked, 0.0, wrong)


def mean_over_present(values, present):
    """Averages over the present labels of each image; 0 where there are none.

    Shapes: (B, L) and (B, L) to (B,).
    """
    counts = ops.maximum(ops.sum(present, axis=-1), 1.0)
    return ops.sum(values * present, axis=-1) / counts
