"""Rankings of the images of each label, shared by the exact metrics."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kmlic.metrics.check_scores import check_scores


class Ranking(NamedTuple):
    """Counts at each distinct score of a label's positives, lowest first.

    Args:
        tied: positives that have this score.
        positives_from: positives with this score or a higher one.
        images_from: images with this score or a higher one.
        ranked: scores of all images where the label is known, ascending.
        distinct: the distinct scores.
        num_positives: positives of the label.
    """

    tied: np.ndarray
    positives_from: np.ndarray
    images_from: np.ndarray
    ranked: np.ndarray
    distinct: np.ndarray
    num_positives: int


def checked(targets, scores) -> tuple[np.ndarray, np.ndarray]:
    """Returns (N, L) arrays of the same shape, scores as float32 or float64.

    Raises:
        ValueError: as `check_scores` does.
    """
    targets, scores = check_scores(targets, scores)
    if scores.dtype not in (np.float32, np.float64):
        scores = scores.astype(np.float32 if scores.dtype.itemsize < 4 else np.float64)
    return targets, scores


def rankings(targets: np.ndarray, scores: np.ndarray) -> list[Ranking | None]:
    """Ranks the positives of each label among the images where it is known.

    Args:
        targets: (N, L), as `checked` returns them.
        scores: (N, L), as `checked` returns them.

    Returns:
        One ranking per label, None for labels without positives.
    """
    columns = zip(_transposed(targets), _transposed(scores), strict=True)
    return [_ranking(*column) for column in columns]


def per_label(
    measure: Callable[[Ranking], float], targets: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Computes a measure of each label's ranking, nan for labels without positives.

    Shapes: (N, L) and (N, L) to (L,) float64.
    """
    found = rankings(*checked(targets, scores))
    return np.array([np.nan if x is None else float(measure(x)) for x in found])


def _transposed(array: np.ndarray, rows: int = 512) -> np.ndarray:
    # Blocks that fit the cache take a quarter of the time of array.T.copy().
    columns = np.empty(array.shape[::-1], array.dtype)
    for start in range(0, len(array), rows):
        columns[:, start : start + rows] = array[start : start + rows].T
    return columns


def _ranking(targets: np.ndarray, scores: np.ndarray) -> Ranking | None:
    # Indices are faster than a mask, whose branches are unpredictable.
    positives = np.sort(scores[np.flatnonzero(targets == 1)])
    if not len(positives):
        return None
    unknown = targets == -1
    ranked = np.sort(scores[~unknown] if unknown.any() else scores)
    is_first = np.concatenate(([True], positives[1:] != positives[:-1]))
    first = np.flatnonzero(is_first)  # one entry for each distinct score
    distinct = positives[first]
    return Ranking(
        tied=np.diff(first, append=len(positives)),
        positives_from=len(positives) - first,
        images_from=len(ranked) - np.searchsorted(ranked, distinct),
        ranked=ranked,
        distinct=distinct,
        num_positives=len(positives),
    )
