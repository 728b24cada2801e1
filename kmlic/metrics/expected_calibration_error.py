"""The calibration error of probabilities."""

from typing import Literal

import numpy as np

from kmlic.check_choice import check_choice
from kmlic.check_number import check_number
from kmlic.metrics.check_scores import check_scores


def expected_calibration_error(
    targets: np.ndarray,
    probabilities: np.ndarray,
    *,
    bins: int = 15,
    norm: Literal["l1", "l2", "max"] = "l1",
) -> float:
    """Averages the distance of probabilities from the frequency of positives.

    Each known entry is a binary outcome; entries are grouped into bins of equal width
    by their probability, and bins are weighted by their number of entries.

    Paper: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation
    3, https://arxiv.org/abs/1706.04599. Differs from it: the probability of being
    present is judged, not that of the predicted outcome, as in torchmetrics'
    BinaryCalibrationError.

    Shapes: (N, L) and (N, L) to a number 0-1, 0 when no target is known.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries are ignored.
        probabilities: 0-1.
        bins: at least 1.
        norm: "l1" averages the distances, "l2" returns the root of their mean square,
            "max" the largest.

    Raises:
        ValueError: if shapes differ or a number is out of its limits.

    Example:
        >>> targets = np.array([[1, 0], [1, 0], [0, 1]])
        >>> probabilities = np.array([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2]])
        >>> round(expected_calibration_error(targets, probabilities), 4)
        0.1333
    """
    targets, probabilities = check_scores(
        targets, probabilities, name="probabilities", probabilities=True
    )
    check_number("bins", bins, at_least=1)
    check_choice("norm", norm, "l1", "l2", "max")
    known = targets != -1
    predicted = probabilities[known].astype("float64")
    bin_ = np.minimum((predicted * bins).astype(int), bins - 1)
    surplus = np.bincount(bin_, predicted - (targets[known] == 1), minlength=bins)
    sizes = np.bincount(bin_, minlength=bins)
    distances = np.abs(surplus) / np.maximum(sizes, 1)
    if norm == "max":
        return float(distances.max())
    power = 1 if norm == "l1" else 2
    mean = (distances**power * sizes).sum() / max(len(predicted), 1)
    return float(mean ** (1 / power))
