"""Label vectors and word vectors as `.npz` files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kmlic.labelled_arrays import read_arrays, write_arrays

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


@dataclass(frozen=True, eq=False)
class LabelVectors:
    """Holds the vectors of labels together with the label names.

    Args:
        names: the labels, in order.
        vectors: (L, D), as `embed_labels` returns them.

    Raises:
        ValueError: if there is not exactly one finite vector per label.

    Example:
        >>> LabelVectors(("cat", "dog"), np.eye(2, 3)).vectors.shape
        (2, 3)
    """

    names: tuple[str, ...]
    vectors: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        vectors = np.asarray(self.vectors, dtype=np.float32)
        object.__setattr__(self, "vectors", vectors)
        if vectors.ndim != 2 or len(vectors) != len(self.names):
            raise ValueError(
                f"`vectors` must be ({len(self.names)}, D), one row per label; got "
                f"shape {vectors.shape}."
            )
        pairs = zip(self.names, vectors, strict=True)
        bad = [name for name, vector in pairs if not np.isfinite(vector).all()]
        if bad:
            raise ValueError(f"`vectors` must be finite; those of {bad} are not.")

    def write(self, path: str | Path) -> str:
        """Writes the vectors atomically as `.npz` and returns their hash."""
        return write_arrays(path, self.names, {"vectors": self.vectors})

    @classmethod
    def read(
        cls, path: str | Path, *, names: Sequence[str] | None = None
    ) -> LabelVectors:
        """Reads a file that `write` wrote.

        Args:
            path: the `.npz` file. Pickles are refused.
            names: the labels that the file must hold; any when None.

        Raises:
            ValueError: naming the file, if it is a pickle, is damaged, or has other
                labels; then the first difference is named.
        """
        own, arrays = read_arrays(path, ["vectors"], names=names)
        try:
            return cls(own, arrays["vectors"])
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


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
    words = tuple(vectors.index_to_key[:most])
    LabelVectors(words, vectors.vectors[: len(words)]).write(path)
