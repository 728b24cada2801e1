"""Projections of word vectors: fewer dimensions, another origin, unit length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kmlic.words.read_vectors import make_keyed_vectors

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

# Vectors normalised at once: 20 MB of 300 float32 numbers.
_BLOCK = 1 << 14


def reduce_word_vectors(vectors: KeyedVectors, size: int) -> KeyedVectors:
    """Projects word vectors onto their principal components.

    All words have the same weight. The mean of the words becomes the origin, so cosines
    change even if no variance is lost. The number of largest magnitude in each
    component is positive.

    Args:
        vectors: as `load_word_vectors` returns them; not modified.
        size: numbers per reduced vector, at most the current size and the number of
            words.

    Raises:
        ValueError: if the size is out of its limits.

    Example:
        >>> from kmlic.words import train_word_vectors
        >>> vectors = train_word_vectors(["a red dress", "a blue dress"], size=8)
        >>> reduce_word_vectors(vectors, 2)["dress"].shape
        (2,)
    """
    from sklearn.decomposition import PCA

    words, array = vectors.index_to_key, vectors.vectors
    if not 1 <= size <= min(array.shape):
        raise ValueError(
            f"`size` must be from 1 to {min(array.shape)}, for {len(words)} words of "
            f"{array.shape[1]} numbers; got size={size}."
        )
    # In float32 components of similar variance would be mixed.
    components = PCA(size, svd_solver="covariance_eigh")
    reduced = components.fit_transform(array.astype(np.float64))
    return make_keyed_vectors(list(words), reduced.astype(np.float32))


def centre_word_vectors(vectors: KeyedVectors, centre: np.ndarray) -> KeyedVectors:
    """Subtracts a centre from word vectors, such as the mean of the label vectors.

    Label vectors share a common direction, which makes some of them similar to almost
    everything (hubs); without it their cosines separate labels better.

    Args:
        vectors: as `load_word_vectors` returns them; not modified.
        centre: (D,), the new origin.

    Raises:
        ValueError: if the centre has another size.

    Example:
        >>> from kmlic.words import train_word_vectors
        >>> vectors = train_word_vectors(["a red dress", "a blue dress"], size=8)
        >>> moved = centre_word_vectors(vectors, vectors.vectors.mean(axis=0))
        >>> bool(np.abs(moved.vectors.mean(axis=0)).max() < 1e-6)
        True
    """
    if np.shape(centre) != (vectors.vector_size,):
        raise ValueError(
            f"`centre` must have the {vectors.vector_size} numbers of the vectors; got "
            f"shape {np.shape(centre)}."
        )
    moved = vectors.vectors - np.asarray(centre, np.float32)
    return make_keyed_vectors(list(vectors.index_to_key), moved)


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Scales each vector to length 1; vectors of zeros stay zero.

    Shapes: (N, D) to (N, D) float32.

    Args:
        vectors: finite numbers of any magnitude.

    Raises:
        ValueError: if the shape is not (N, D); naming the first row that is not finite.

    Example:
        >>> unit_vectors(np.array([[3.0, 4.0], [0.0, 0.0]])).round(2).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    array = np.array(vectors, np.float32)
    if array.ndim != 2:
        raise ValueError(f"`vectors` must be (N, D); got shape {array.shape}.")
    for start in range(0, len(array), _BLOCK):
        block = array[start : start + _BLOCK]
        # Squares of very large or very small numbers would overflow or vanish.
        largest = np.abs(block).max(axis=1, keepdims=True, initial=0)
        if not np.isfinite(largest).all():
            row = start + int(np.flatnonzero(~np.isfinite(largest[:, 0]))[0])
            raise ValueError(f"`vectors` must be finite; row {row} is not.")
        block /= np.where(largest > 0, largest, 1)
        length = np.sqrt(np.einsum("nd,nd->n", block, block))[:, None]
        block /= np.where(length > 0, length, 1)
    return array
