"""Stratification of images with several labels."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_array

from kmlic.data.progress import with_progress


def stratify(
    present: csr_array,
    fractions: Sequence[float] | np.ndarray,
    random: np.random.RandomState,
) -> np.ndarray:
    """Assigns images to splits, those with the rarest remaining label first.

    Each image goes to the split that needs most images with that label; of equals, to
    the one that needs most images; of equals again, to a random one.

    Paper: Sechidis et al., "On the Stratification of Multi-Label Data", ECML PKDD 2011,
    algorithm 1, https://doi.org/10.1007/978-3-642-23808-6_10. It makes every choice
    of the library iterative-stratification, random ones included, but counts remaining
    labels as it goes: the library sums a dense matrix for each label, which takes hours
    and gigabytes for a million images with 500 labels.

    Shapes: (N, L) to (N,) int8.

    Args:
        present: True where an image has a label.
        fractions: of the splits, summing to 1.
        random: breaks ties.

    Example:
        >>> present = csr_array(np.eye(4, dtype=bool).repeat(2, axis=0))
        >>> stratify(present, (0.5, 0.5), np.random.RandomState(0)).tolist()
        [1, 0, 1, 0, 0, 1, 1, 0]
    """
    count = present.shape[0]
    left = np.asarray(present.sum(axis=0)).astype(np.int64).ravel()
    wanted = np.asarray(fractions) * count
    wanted_labels = np.outer(fractions, left)
    images_of = present.tocsc()
    dealt = np.full(count, -1, np.int8)

    def next_images() -> Iterator[tuple[int, int]]:
        while left.any():
            rarest = _pick(np.flatnonzero(left == left[left > 0].min()), random)
            own = slice(images_of.indptr[rarest], images_of.indptr[rarest + 1])
            images = images_of.indices[own]
            yield from ((image, rarest) for image in np.sort(images[dealt[images] < 0]))

    with_labels = int((np.diff(present.indptr) > 0).sum())
    for image, rarest in with_progress(next_images(), "splitting", with_labels):
        labels = present.indices[present.indptr[image] : present.indptr[image + 1]]
        split = _choose(wanted_labels[:, rarest], wanted, random)
        dealt[image] = split
        wanted_labels[split, labels] -= 1
        wanted[split] -= 1
        left[labels] -= 1
    for unlabelled in np.flatnonzero(dealt < 0):
        split = _pick(np.flatnonzero(wanted == wanted.max()), random)
        dealt[unlabelled] = split
        wanted[split] -= 1
    return dealt


def _choose(
    wanted_label: np.ndarray, wanted: np.ndarray, random: np.random.RandomState
) -> int:
    splits = np.flatnonzero(wanted_label == wanted_label.max())
    if len(splits) == 1:
        return int(splits[0])
    equals = np.flatnonzero(wanted[splits] == wanted[splits].max())
    if len(equals) == 1:
        return int(splits[equals[0]])
    # The library draws one of the first `splits`, not of the equals; kept, so that the
    # splits of a seed stay the same.
    return int(splits[random.choice(len(equals))])


def _pick(equals: np.ndarray, random: np.random.RandomState) -> int:
    if len(equals) == 1:
        return int(equals[0])
    return int(equals[random.choice(len(equals))])
