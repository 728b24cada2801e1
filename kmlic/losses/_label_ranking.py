"""What the losses over label similarities share: which labels are right and wrong."""

import numpy as np
from keras import ops


def check_shared_labels(shared_labels):
    """Gives groups of label indices as lists of numbers.

    Raises:
        ValueError: if a group is not made of two or more different indices.
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
    """Tells the labels an image shows from those that are wrong for it.

    A label is wrong if it is known to be absent and does not have the same vector as
    one that is present.

    Shapes: (B, L) to present (B, L) and wrong (B, L), float32, 1 or 0.
    """
    present = ops.cast(ops.equal(y_true, 1), "float32")
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
    """Averages over the labels that an image shows; 0 where it shows none.

    Shapes: (B, L) and (B, L) to (B,).
    """
    return ops.sum(values * present, axis=-1) / ops.maximum(
        ops.sum(present, axis=-1), 1.0
    )
