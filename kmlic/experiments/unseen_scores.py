"""Scores of a run's images by models that were not fitted to them."""

from pathlib import Path

import numpy as np

from kmlic.labelled_arrays import read_arrays, write_arrays
from kmlic.labels import Labels

UNSEEN_SCORES = "unseen_scores.npz"


def write_unseen_scores(
    run: Path, labels: Labels, *, digests: np.ndarray, probabilities: np.ndarray
) -> None:
    """Writes scores of training images out of fold, and of test images.

    Args:
        run: the run folder.
        labels: of the run.
        digests: (N,) uint64 of the files, see `InspectedRows.short_digests`.
        probabilities: (N, L) 0-1.
    """
    arrays = {"digests": digests, "probabilities": probabilities}
    write_arrays(run / UNSEEN_SCORES, labels.names, arrays)


def read_unseen_scores(
    run: Path, labels: Labels
) -> tuple[np.ndarray, np.ndarray] | None:
    """Reads what `write_unseen_scores` wrote; None if there is no such file.

    Args:
        run: the run folder.
        labels: of the run.

    Returns:
        Digests (N,) and probabilities (N, L).

    Raises:
        ValueError: if the file is corrupt or has other labels.
    """
    path = run / UNSEEN_SCORES
    if not path.is_file():
        return None
    keys = ("digests", "probabilities")
    _, arrays = read_arrays(path, keys, names=labels.names)
    return arrays["digests"], arrays["probabilities"]
