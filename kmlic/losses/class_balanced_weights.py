"""Weights of labels by their number of training images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from kmlic.check_number import check_number


def class_balanced_weights(
    counts: ArrayLike, group_sizes: Sequence[int], *, beta: float | None = 0.999
) -> np.ndarray:
    """Computes label weights as inverses of their effective numbers of images.

    The effective number of n images is (1 - beta^n) / (1 - beta), which saturates, as
    images of a label overlap. Weights are scaled to a mean of 1 over the training
    images of each group, so that the size of the loss does not change.

    Paper: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR
    2019, equation 2, https://arxiv.org/abs/1901.05555. Differs from the paper: its
    weights have a mean of 1 over the labels, which makes the loss of a group with one
    dominant label several times smaller.

    Shapes: (L,) to (L,) float64.

    Args:
        counts: training images with each label; a label without any counts as one.
        group_sizes: number of labels of each group, in the order of `counts`.
        beta: 0 gives all labels the same weight; towards 1, weights approach the
            inverse of the counts, which None takes.

    Raises:
        ValueError: if `beta` is not from 0 to below 1 or sizes do not sum to L.

    Example:
        >>> class_balanced_weights([90, 10], [2], beta=0.999).round(2).tolist()
        [0.57, 4.9]
    """
    images: np.ndarray = np.maximum(np.asarray(counts, "float64"), 1)
    if beta is not None:
        check_number("beta", beta, at_least=0, below=1)
    if images.shape != (sum(group_sizes),):
        raise ValueError(
            f"`group_sizes` must sum to the number of counts; got {tuple(group_sizes)} "
            f"for shape {images.shape}."
        )
    weights: np.ndarray = 1 / images
    if beta is not None:
        weights = (1 - beta) / (1 - beta**images)
    start = 0
    for size in group_sizes:
        own = slice(start, start + size)
        weights[own] *= images[own].sum() / (images[own] * weights[own]).sum()
        start += size
    return weights
