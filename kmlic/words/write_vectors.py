"""Word vectors written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kmlic.labelled_arrays import write_arrays

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


def write_word_vectors(
    vectors: KeyedVectors, path: str | Path, *, most: int | None = 100_000
) -> None:
    """Writes word vectors atomically as `.npz`, for `load_word_vectors`.

    Args:
        vectors: as `load_word_vectors` returns them.
        path: the file, ending with .npz.
        most: how many of the first words to write; files list frequent words first.
            None writes all.

    Raises:
        ValueError: if the path has another suffix.

    Example:
        >>> import tempfile
        >>> from kmlic.words import load_word_vectors, train_word_vectors
        >>> vectors = train_word_vectors(["a red dress", "a blue dress"], size=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_word_vectors(vectors, f"{folder}/words.npz")
        ...     sorted(load_word_vectors(f"{folder}/words.npz").index_to_key)
        ['a', 'blue', 'dress', 'red']
    """
    if Path(path).suffix != ".npz":
        raise ValueError(f"`path` must end with .npz; got path={str(path)!r}.")
    words = vectors.index_to_key[:most]
    write_arrays(path, words, {"vectors": vectors.vectors[: len(words)]})
