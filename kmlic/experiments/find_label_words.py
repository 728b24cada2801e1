"""Word vectors of the labels of a zero-shot experiment."""

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kmlic.data import MultiLabelData
from kmlic.experiments.find_word_vectors import find_word_vectors
from kmlic.experiments.zero_shot_settings import ZeroShotSettings
from kmlic.words import (
    WordReport,
    centre_word_vectors,
    embed_labels,
    reduce_word_vectors,
)

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


@dataclasses.dataclass(frozen=True, eq=False)
class LabelWords:
    """Holds the vectors of a vocabulary and of the trained labels.

    Args:
        vocabulary: all words, with vectors reduced and centred as the settings say.
        plain_vocabulary: all words, with their original vectors.
        names: the trained labels that have a vector.
        vectors: (L, D), of these labels in `vocabulary`, which models learn.
        plain_vectors: (L, D), of these labels in `plain_vocabulary`, for similarities.
        shared: groups of these labels, by index, that share a vector.
        report: the labels with and without a vector.
    """

    vocabulary: "KeyedVectors"
    plain_vocabulary: "KeyedVectors"
    names: tuple[str, ...]
    vectors: np.ndarray
    plain_vectors: np.ndarray
    shared: list[list[int]]
    report: WordReport


def find_label_words(
    settings: ZeroShotSettings, data: MultiLabelData, held_out: Sequence[str], seed: int
) -> LabelWords:
    """Finds the vectors of the labels to be trained.

    Args:
        settings: name the vectors and how labels find their words.
        data: the dataset, with all its labels.
        held_out: labels that are not trained.
        seed: of a training on captions.

    Raises:
        ValueError: if the dataset does not have a held-out label.
    """
    unknown = [name for name in held_out if name not in data.labels.names]
    if unknown:
        raise ValueError(
            f"`held_out` must be labels of {settings.source}; got {unknown}."
        )
    plain = vectors = find_word_vectors(settings.word_vectors, data, seed)
    names = [name for name in data.labels.names if name not in held_out]
    plain_own, word_report = look_up(settings, data, names, plain)
    if settings.dimensions is not None:
        vectors = reduce_word_vectors(vectors, settings.dimensions)
    own, _ = look_up(settings, data, names, vectors)
    if settings.centre:
        vectors = centre_word_vectors(vectors, own.mean(axis=0))
        own, _ = look_up(settings, data, names, vectors)
    kept = word_report.with_vector
    shared = [[kept.index(name) for name in group] for group in word_report.shared]
    return LabelWords(vectors, plain, kept, own, plain_own, shared, word_report)


def look_up(
    settings: ZeroShotSettings,
    data: MultiLabelData,
    names: Sequence[str],
    vectors: "KeyedVectors",
) -> tuple[np.ndarray, WordReport]:
    """Returns the vectors of labels, found by name, synonyms or chosen words."""
    chosen = _read_label_words(settings)
    keys = {name: data.identifiers.get(name, name) for name in names}
    return embed_labels(
        names,
        vectors,
        missing="leave_out",
        replacements={
            name: chosen.get(name) or chosen[key]
            for name, key in keys.items()
            if name in chosen or key in chosen
        },
        synonyms=data.synonyms,
        combine=settings.synonyms,
    )


def _read_label_words(settings: ZeroShotSettings) -> dict[str, str]:
    """Reads the word for each label; tables inside the named one are merged."""
    if settings.label_words is None:
        return {}
    content = json.loads(settings.label_words.read_text(encoding="utf-8"))
    if settings.label_words_table:
        content = content.get(settings.label_words_table)
    if not isinstance(content, dict):
        raise ValueError(
            f"{settings.label_words} must be a JSON object with the table "
            f"label_words_table={settings.label_words_table!r}."
        )
    words: dict[str, str] = {}
    for key, value in content.items():
        words |= value if isinstance(value, dict) else {key: value}
    return words
