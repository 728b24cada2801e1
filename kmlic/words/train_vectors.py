"""Word vectors trained on captions."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


def train_word_vectors(
    captions: Iterable[str],
    *,
    size: int = 100,
    window: int = 5,
    epochs: int = 10,
    seed: int = 0,
) -> KeyedVectors:
    """Trains Word2Vec on captions and returns the word vectors.

    Words used in similar contexts get similar vectors. Rare words are kept, because
    captions are few. The same captions and seed give the same vectors in every
    process: training uses one thread and a hash that Python does not randomise.

    Paper: Mikolov et al., "Distributed Representations of Words and Phrases and their
    Compositionality", NeurIPS 2013, skip-gram with negative sampling,
    https://arxiv.org/abs/1310.4546.

    Args:
        captions: texts; lower-cased and split at everything but letters and digits.
        size: numbers per vector.
        window: number of words on either side that form the context.
        epochs: passes over the captions.
        seed: of the initial vectors and the negative sampling, 0 or above.

    Raises:
        ValueError: if the captions hold no word or an argument is out of its limits.

    Example:
        >>> captions = ["a red dress", "a red shirt", "a blue dress"]
        >>> vectors = train_word_vectors(captions, size=8, epochs=1)
        >>> vectors["dress"].shape, sorted(vectors.key_to_index)
        ((8,), ['a', 'blue', 'dress', 'red', 'shirt'])
    """
    for argument, value in (("size", size), ("window", window), ("epochs", epochs)):
        if value < 1:
            raise ValueError(
                f"`{argument}` must be at least 1; got {argument}={value}."
            )
    sentences = [re.findall(r"[^\W_]+", caption.lower()) for caption in captions]
    if not any(sentences):
        raise ValueError(
            f"`captions` must hold words; got {len(sentences)} captions without any."
        )
    from gensim.models import Word2Vec

    model = Word2Vec(
        sentences,
        vector_size=size,
        window=window,
        epochs=epochs,
        min_count=1,
        sg=1,
        sample=0,
        workers=1,
        seed=seed,
        hashfxn=_stable_hash,
    )
    return model.wv


def _stable_hash(word: str) -> int:
    return zlib.crc32(word.encode())
