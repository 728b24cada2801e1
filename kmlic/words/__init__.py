"""Vectors of labels, made of the word vectors of their names."""

from typing import TYPE_CHECKING

from kmlic.lazy_package import lazy_package

if TYPE_CHECKING:
    from kmlic.words.embed_labels import WordReport, embed_labels
    from kmlic.words.project import (
        centre_word_vectors,
        reduce_word_vectors,
        unit_vectors,
    )
    from kmlic.words.read_vectors import load_word_vectors
    from kmlic.words.train_vectors import train_word_vectors
    from kmlic.words.write_vectors import write_word_vectors

__all__ = [
    "WordReport",
    "centre_word_vectors",
    "embed_labels",
    "load_word_vectors",
    "reduce_word_vectors",
    "train_word_vectors",
    "unit_vectors",
    "write_word_vectors",
]

lazy_package(__name__)
