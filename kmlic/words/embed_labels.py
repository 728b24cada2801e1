"""Label vectors from the word vectors of label names."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from kmlic.check_choice import check_choice

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

    WordVectors: TypeAlias = KeyedVectors | Mapping[str, np.ndarray]

# Size of random vectors if no word vectors define it: that of GloVe 6B 300d.
_DEFAULT_SIZE = 300


@dataclass(frozen=True)
class WordReport:
    """Holds which words the label vectors were computed from.

    Args:
        found: label to the words whose vectors were averaged.
        missing_words: label to those of its words that have no vector; labels whose
            words were all found are left out.
        missing_labels: labels without a vector for any of their words.
        shared: groups of labels with identical vectors, such as two word orders of one
            name; no model can distinguish them.
        zero: labels whose vector is all zeros; its cosine with any vector is 0.
    """

    found: Mapping[str, tuple[str, ...]]
    missing_words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing_labels: tuple[str, ...] = ()
    shared: tuple[tuple[str, ...], ...] = ()
    zero: tuple[str, ...] = ()

    @property
    def with_vector(self) -> tuple[str, ...]:
        """Returns the labels for which at least one word was found, in order."""
        return tuple(name for name, words in self.found.items() if words)

    def __str__(self) -> str:
        complete = len(self.found) - len(self.missing_words)
        lines = [f"{complete} of {len(self.found)} labels have vectors for all words."]
        for label, words in self.missing_words.items():
            lines.append(f"{label}: no vector for {', '.join(words)}.")
        if self.missing_labels:
            lines.append(f"No vector at all: {', '.join(self.missing_labels)}.")
        lines += [f"The same vector: {', '.join(labels)}." for labels in self.shared]
        if self.zero:
            lines.append(f"A vector of zeros: {', '.join(self.zero)}.")
        return "\n".join(lines)


def embed_labels(
    names: Sequence[str],
    vectors: WordVectors,
    *,
    missing: str = "raise",
    replacements: Mapping[str, str] | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    combine: str = "first",
    seed: int = 0,
) -> tuple[np.ndarray, WordReport]:
    """Computes one vector per label, the mean over the words of its name.

    The complete name is looked up first, with spaces and with underscores, as written
    and in lower case. If there is no such word, the name is split at spaces,
    underscores and slashes, then at hyphens, and the vectors of the words found are
    averaged, as in ML-GCN and MSRN.

    Shapes: L names to (L, D) float32; fewer rows with `missing="leave_out"`.

    Args:
        names: the labels, in order.
        vectors: word to vector (D,), as `load_word_vectors` returns them.
        missing: what to do with labels without a vector for any word. "raise" refuses
            them; "learn" gives each a random vector, to be trained by the model, from a
            normal distribution with the root mean square of the other vectors (0.1,
            and size 300, if there are none); "leave_out" returns the rows of the other
            labels only, which the report lists as `with_vector`.
        replacements: label to the words to use instead, such as
            {"tvmonitor": "television monitor"}; used before synonyms.
        synonyms: label to its names, such as {"cougar": ("cougar", "puma")}, looked up
            instead of the label.
        combine: "first" uses the first synonym for which a word is found, "mean"
            averages all of them.
        seed: of the random vectors; each depends on the label's name, not its index.

    Raises:
        ValueError: listing all labels without a vector, if `missing` is "raise"; if an
            argument is out of its limits.

    Example:
        >>> vectors = {"traffic": np.array([1.0, 0.0]), "light": np.array([0.0, 1.0])}
        >>> array, report = embed_labels(["Traffic light", "light-blue"], vectors)
        >>> array.tolist(), dict(report.missing_words)
        ([[0.5, 0.5], [0.0, 1.0]], {'light-blue': ('blue',)})
    """
    check_choice("missing", missing, "raise", "learn", "leave_out")
    check_choice("combine", combine, "first", "mean")
    if not len(names):
        raise ValueError("`names` must hold at least one label; got none.")
    replacements = dict(replacements or {})
    unknown = [label for label in replacements if label not in names]
    if unknown:
        raise ValueError(f"`replacements` must be of known labels; got {unknown}.")
    found: dict[str, tuple[str, ...]] = {}
    missing_words: dict[str, tuple[str, ...]] = {}
    means: dict[str, np.ndarray] = {}
    for name in names:
        own = replacements.get(name)
        choices = [own] if own else list((synonyms or {}).get(name) or [name])
        looked_up = [_look_up(choice, vectors) for choice in choices]
        if combine == "first":
            looked_up = [pair for pair in looked_up if pair[0]][:1] or looked_up
        found[name] = tuple(word for has, _ in looked_up for word in has)
        lacks = dict.fromkeys(word for _, lacks in looked_up for word in lacks)
        if lacks:
            missing_words[name] = tuple(lacks)
        parts = [_mean(has, vectors) for has, _ in looked_up if has]
        if parts:
            means[name] = np.mean(parts, axis=0)
    missing_labels = tuple(name for name in names if name not in means)
    if missing_labels and (missing == "raise" or (not means and missing != "learn")):
        raise ValueError(
            f"labels must have a word with a vector; {len(missing_labels)} of "
            f"{len(names)} have none: {', '.join(missing_labels)}. Name other words in "
            "`replacements`, or pass missing='learn' to learn their vectors."
        )
    if missing == "learn":
        scale = np.sqrt(np.mean([mean**2 for mean in means.values()])) if means else 0.1
        for name in missing_labels:
            random = np.random.default_rng([seed, zlib.crc32(name.encode())])
            means[name] = random.normal(scale=scale or 0.1, size=_vector_size(vectors))
    kept = [name for name in names if name in means]
    array = np.stack([means[name] for name in kept]).astype(np.float32)
    zero = tuple(np.asarray(kept)[~array.any(axis=1)].tolist())
    shared = _find_shared(kept, array)
    return array, WordReport(found, missing_words, missing_labels, shared, zero)


def _look_up(
    name: str, vectors: WordVectors
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the words of a name that have a vector, and those that have none."""
    spaced, joined = re.sub(r"[\s_]+", " ", name), re.sub(r"\s+", "_", name)
    complete = _find_key([name, spaced, joined], vectors)
    if complete is not None:
        return (complete,), ()
    found: list[str] = []
    missing: list[str] = []
    for part in re.split(r"[\s_/]+", name):
        for word in [part] if _find_key([part], vectors) else part.split("-"):
            key = _find_key([word], vectors)
            if key is not None:
                found.append(key)
            elif word:
                missing.append(word)
    return tuple(found), tuple(missing)


def _find_key(spellings: Sequence[str], vectors: WordVectors) -> str | None:
    for spelling in [*spellings, *(spelling.lower() for spelling in spellings)]:
        if spelling in vectors:
            return spelling
    return None


def _mean(words: Sequence[str], vectors: WordVectors) -> np.ndarray:
    own = np.stack([vectors[word] for word in words])
    mean: np.ndarray = own.mean(axis=0, dtype=np.float64)
    return mean


def _vector_size(vectors: WordVectors) -> int:
    if isinstance(vectors, Mapping):
        return len(next(iter(vectors.values()), range(_DEFAULT_SIZE)))
    return vectors.vector_size


def _find_shared(
    names: Sequence[str], array: np.ndarray
) -> tuple[tuple[str, ...], ...]:
    labels: dict[bytes, list[str]] = {}
    for name, vector in zip(names, array, strict=True):
        labels.setdefault(vector.tobytes(), []).append(name)
    return tuple(tuple(same) for same in labels.values() if len(same) > 1)
