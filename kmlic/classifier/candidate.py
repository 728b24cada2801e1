"""One model that may be chosen, and what is kept of it."""

import dataclasses
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.classifier.budget import Budget


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """Holds scores of a model that saw none of the scored images.

    Args:
        name: what it is called in tables.
        logits: (2, M, L) of the scored rows of the protocol, or of its first folds: of
            the images as they are, and averaged with those of their mirror images.
        seconds: what it took.
        attach: refits it to all training images and returns its logits on a frozen
            backbone, whose further layers get names with this prefix; None for what
            trains a backbone of its own.
        model: for that, refits it and returns a model from images to logits.
    """

    name: str
    logits: np.ndarray
    seconds: float
    attach: Callable[[keras.Model, str], keras.KerasTensor] | None = None
    model: Callable[[], keras.Model] | None = None


def keep(
    path: Path,
    compute: Callable[[], dict[str, np.ndarray]],
    budget: Budget,
    *,
    again: bool = False,
) -> dict[str, np.ndarray]:
    """Computes arrays, or reads what an earlier run computed.

    Args:
        path: an `.npz` file whose name follows from everything the arrays depend on.
        compute: makes them.
        budget: pays for what is read, as if it had been computed now.
        again: whether to compute what is there, and to replace it then.

    Returns:
        The arrays, and "seconds".
    """
    if path.exists() and not again:
        with np.load(path, allow_pickle=False) as arrays:
            known = {name: arrays[name] for name in arrays.files}
        budget.take_over(float(known["seconds"]))
        return known
    start = time.monotonic()
    found = compute()
    found["seconds"] = np.asarray(time.monotonic() - start)
    with atomic_write(path) as temporary:
        np.savez(temporary, allow_pickle=False, **found)
    return found


def key(*parts: object) -> str:
    """Returns a short hash of what something depends on."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()[:24]
