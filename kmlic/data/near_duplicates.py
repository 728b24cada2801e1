"""Near duplicates of images, by perceptual hashes."""

import itertools
from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from kmlic.check_limits import NEAR_BITS

_BITS = 64
# Comparisons of hashes with one equal part, and of each hash: the work stays linear
# where very many images have one, such as blank pages.
_COMPARISONS, _COMPARISONS_EACH = 20_000_000, 100
# Pairs that are kept before sets are made of them.
_MOST_PAIRS = 2_000_000


def perceptual_hash(pixels: np.ndarray) -> int:
    """Computes a hash of 64 bits that is similar for images that look alike.

    Scaling, saving again and small changes of colour change few bits. It is the phash
    of imagehash: the signs of the lowest cosine frequencies.

    Shapes: (H, W, 3) uint8 to a number.

    Args:
        pixels: 0-255.

    Example:
        >>> perceptual_hash(np.zeros((60, 80, 3), "uint8"))
        0
    """
    image = Image.fromarray(pixels).convert("L")
    small = np.asarray(image.resize((32, 32), Image.Resampling.LANCZOS), float)
    low = dctn(small)[:8, :8]
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes())


def near_duplicates(
    hashes: np.ndarray, *, distance: int = NEAR_BITS
) -> list[list[int]]:
    """Finds sets of images whose hashes differ in few bits, directly or by others.

    Two hashes that differ in `distance` bits are equal in at least one of `distance` +
    1 parts, so only those that share a part are compared; of more than 200,000 images
    each with the 100 that follow it in the order of their hashes.

    Shapes: (N,) uint64 to sets of images, each ascending.

    Args:
        hashes: from `perceptual_hash`.
        distance: largest number of bits, 0-16, in which two neighbours differ;
            unrelated images differ in 32 on average.

    Raises:
        ValueError: if the distance is outside its limits.

    Example:
        >>> near_duplicates(np.array([0b1111, 2**64 - 1, 0b0111, 2**40 - 1], "uint64"))
        [[0, 2]]
    """
    if not 0 <= distance <= 16:
        raise ValueError(f"`distance` must be from 0 to 16; got distance={distance}.")
    distinct, index = np.unique(np.asarray(hashes, np.uint64), return_inverse=True)
    edges = np.linspace(0, _BITS, distance + 2).astype(int)
    component = np.arange(len(distinct))
    found: list[np.ndarray] = []
    kept = 0
    for low, high in itertools.pairwise(edges):
        for pairs in _close_pairs(distinct, int(low), int(high), distance):
            found.append(pairs)
            kept += pairs.shape[1]
            if kept > _MOST_PAIRS:
                component, found, kept = _connected(component, found), [], 0
    component = _connected(component, found)[index]
    order = np.argsort(component, kind="stable")
    starts = np.flatnonzero(np.diff(component[order], prepend=-1))
    sets = np.split(order, starts[1:])
    return [members.tolist() for members in sets if len(members) > 1]


def _connected(component: np.ndarray, pairs: list[np.ndarray]) -> np.ndarray:
    """Returns the component of each hash after those of some pairs are joined."""
    count = len(component)
    own = np.stack([np.arange(count), component])
    rows, columns = np.concatenate([own, *pairs], axis=1)
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), (count, count))
    labels = connected_components(graph, directed=False)[1]
    # The first hash of each component stands for it.
    first = np.unique(labels, return_index=True)[1]
    return first[labels]


def _close_pairs(
    hashes: np.ndarray, low: int, high: int, distance: int
) -> Iterator[np.ndarray]:
    """Compares the hashes that are equal in the bits from `low` to below `high`."""
    mask = np.uint64((1 << (high - low)) - 1)
    part = (hashes >> np.uint64(low)) & mask
    order = np.argsort(part, kind="stable")
    part = part[order]
    most = max(_COMPARISONS_EACH, _COMPARISONS // max(len(order), 1))
    for step in range(1, min(len(order), most + 1)):
        (equal,) = np.nonzero(part[step:] == part[:-step])
        if not len(equal):
            break
        one, other = order[equal], order[equal + step]
        close = np.bitwise_count(hashes[one] ^ hashes[other]) <= distance
        if close.any():
            yield np.stack([one[close], other[close]])
