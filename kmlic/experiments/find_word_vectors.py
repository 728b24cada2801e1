"""Word vectors from a file or from the captions of a dataset."""

from gensim.models import KeyedVectors

from kmlic.data import MultiLabelData
from kmlic.words import load_word_vectors, train_word_vectors


def find_word_vectors(source: str, data: MultiLabelData, seed: int) -> KeyedVectors:
    """Loads word vectors, or trains them on the captions of a dataset.

    Args:
        source: "captions" for Word2Vec trained on the dataset's captions; else a
            word2vec or GloVe file, or a name of gensim.downloader.
        data: its captions are used with "captions".
        seed: of the training on captions.

    Raises:
        ValueError: if "captions" is used and the dataset has none; see also
            `load_word_vectors`.
    """
    if source != "captions":
        return load_word_vectors(source)
    if not data.captions:
        raise ValueError(
            '`word_vectors="captions"` needs a dataset with captions; got one without '
            "captions. Use a word2vec or GloVe file."
        )
    return train_word_vectors(data.captions, seed=seed)
