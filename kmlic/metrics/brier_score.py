"""The mean squared error of probabilities."""

import numpy as np

from kmlic.metrics.check_scores import check_scores


def brier_score(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Averages the squared difference of probability and target of each label.

    Paper: Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly
    Weather Review 1950; for a binary outcome, as scikit-learn's brier_score_loss.

    Shapes: (N, L) and (N, L) to (L,) float64.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries are ignored.
        probabilities: 0-1.

    Returns:
        One number 0-1 per label, 0 for the best; nan where no target is known.

    Raises:
        ValueError: if shapes differ or a number is out of its limits.

    Example:
        >>> targets = np.array([[1, 0], [0, -1]])
        >>> brier_score(targets, np.array([[0.9, 0.2], [0.3, 0.9]])).round(3).tolist()
        [0.05, 0.04]
    """
    targets, probabilities = check_scores(
        targets, probabilities, name="probabilities", probabilities=True
    )
    known = targets != -1
    squares = np.where(known, probabilities.astype("float64") - targets, 0) ** 2
    counts = known.sum(axis=0)
    return np.where(counts > 0, squares.sum(axis=0) / np.maximum(counts, 1), np.nan)
