"""How often one label is predicted in place of another."""

import numpy as np


def count_confusions(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts the images where a label is predicted while another one is missed.

    Shapes: (N, L) and (N, L) to (L, L): row i, column j counts the images where i is
    predicted and absent, and j is present and not predicted.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries count for nothing.
        predicted: which labels are predicted.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> targets = np.array([[0, 1, 0], [0, 1, 1], [1, 0, -1]])
        >>> predicted = np.array([[1, 0, 0], [1, 0, 1], [1, 0, 1]], bool)
        >>> count_confusions(targets, predicted).tolist()
        [[0, 2, 0], [0, 0, 0], [0, 0, 0]]
    """
    if targets.shape != predicted.shape:
        raise ValueError(
            "`targets` and `predicted` must have equal shapes; got "
            f"{targets.shape} and {predicted.shape}."
        )
    wrong = (targets == 0) & predicted
    missed = (targets == 1) & ~predicted
    return wrong.T.astype(np.int64) @ missed.astype(np.int64)
