import pickle

import numpy as np
import pytest
from gensim.models import KeyedVectors

from kmlic.labelled_arrays import write_arrays
from kmlic.words import load_word_vectors, write_word_vectors

WORDS = ("cat", "dog", "été", "New_York")
VECTORS = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


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
    write_arrays(tmp_path / "broken.npz", WORDS, {"vectors": np.full((4, 2), np.nan)})
    with pytest.raises(ValueError, match=r"broken\.npz must hold one finite vector"):
        load_word_vectors(tmp_path / "broken.npz")
