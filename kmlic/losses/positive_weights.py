"""Weights of present labels by their rarity."""

import numpy as np

from kmlic.check_number import check_number


def positive_weights(
    targets: np.ndarray, *, beta: float | None = None, limit: float = 100.0
) -> np.ndarray:
    """Computes weights that balance the positives and negatives of each label.

    Without `beta` the weight is negatives over positives. With it, both are effective
    numbers, (1 - beta^n) / (1 - beta), which saturate, so that weights are closer to 1.

    Paper: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR
    2019, equation 2, https://arxiv.org/abs/1901.05555. Differs from it: each label is a
    binary problem, and a negative has weight 1.

    Shapes: (N, L) to (L,) float64.

    Args:
        targets: of the training split; 1 present, 0 absent, -1 unknown, which is
            ignored.
        beta: None, or from 0 (all weights 1) to below 1 (nearly the ratio).
        limit: largest weight, at least 1, which labels without positives get; its
            inverse is the smallest.

    Raises:
        ValueError: if targets are not (N, L) or a number is out of its limits.

    Example:
        >>> targets = np.array([[1, 0]] * 25 + [[0, 1]] * 75)
        >>> positive_weights(targets).round(3).tolist()
        [3.0, 0.333]
    """
    targets = np.asarray(targets)
    if targets.ndim != 2:
        raise ValueError(f"`targets` must be (N, L); got shape {targets.shape}.")
    if beta is not None:
        check_number("beta", beta, at_least=0, below=1)
    check_number("limit", limit, at_least=1)
    positives, negatives = (
        (targets == value).sum(axis=0).astype("float64") for value in (1, 0)
    )
    if beta is not None:
        positives, negatives = 1 - beta**positives, 1 - beta**negatives
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(positives > 0, negatives / positives, limit)
    return np.clip(weights, 1 / limit, limit)
