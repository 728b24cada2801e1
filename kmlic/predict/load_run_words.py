"""The word vectors of a run folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from kmlic.words import load_word_vectors

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


def load_run_words(
    run: str | Path, word_vectors: str | Path | None = None
) -> "KeyedVectors":
    """Loads the word vectors that a run stores, or others.

    Args:
        run: the run folder.
        word_vectors: a file, or a name of gensim.downloader; None for words.npz of the
            run.

    Raises:
        ValueError: if the run stores none and none are given.

    Example:
        >>> load_run_words("saved_models")
        Traceback (most recent call last):
        ValueError: saved_models must hold words.npz to score labels it was not ...
    """
    if word_vectors is not None:
        return load_word_vectors(word_vectors)
    path = Path(run) / "words.npz"
    if not path.is_file():
        raise ValueError(
            f"{run} must hold words.npz to score labels it was not trained on; it does "
            "not. Give --word_vectors (a word2vec or GloVe file, or a name of "
            "gensim.downloader), or name no run and give --text_model."
        )
    return load_word_vectors(path)
