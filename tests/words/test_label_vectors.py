import pickle

import numpy as np
import pytest
from gensim.models import KeyedVectors

from kmlic.words import LabelVectors, load_word_vectors, write_word_vectors

WORDS = ("cat", "dog", "été", "New_York")
VECTORS = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def test_reads_back_what_it_wrote(tmp_path):
    vectors = LabelVectors(WORDS, VECTORS)
    identity = vectors.write(tmp_path / "vectors.npz")
    copy = LabelVectors.read(tmp_path / "vectors.npz", names=vectors.names)
    assert copy.names == vectors.names and len(identity) == 64
    np.testing.assert_array_equal(copy.vectors, VECTORS)
    with pytest.raises(ValueError, match="label 1 is 'dog' here and 'cow' there"):
        LabelVectors.read(tmp_path / "vectors.npz", names=("cat", "cow"))
    path = tmp_path / "voc_glove_word2vec.pkl"
    path.write_bytes(pickle.dumps(VECTORS))
    with pytest.raises(ValueError, match=r"voc_glove_word2vec.pkl.*LabelVectors"):
        LabelVectors.read(path)
    with pytest.raises(ValueError, match=r"\['b'\] are not"):
        LabelVectors(("a", "b"), np.array([[1.0], [np.inf]]))


def test_word_vectors_are_read_back_as_they_were_written(tmp_path):
    vectors = KeyedVectors(6)
    vectors.add_vectors(WORDS, VECTORS)
    write_word_vectors(vectors, tmp_path / "words.npz")
    copy = load_word_vectors(tmp_path / "words.npz")
    assert copy.index_to_key == vectors.index_to_key
    np.testing.assert_array_equal(copy.vectors, vectors.vectors)
    write_word_vectors(vectors, tmp_path / "words.npz", most=2)
    assert len(load_word_vectors(tmp_path / "words.npz").index_to_key) == 2
    with pytest.raises(ValueError, match=r"must end with \.npz; got .*words\.bin"):
        write_word_vectors(vectors, tmp_path / "words.bin")
    path = tmp_path / "trap.npz"
    path.write_bytes(pickle.dumps(VECTORS))
    with pytest.raises(ValueError, match=r"trap\.npz must be an \.npz file"):
        load_word_vectors(path)
