import numpy as np
import pytest

from kmlic.labelled_arrays import write_arrays
from kmlic.predict import load_run_words


def test_takes_the_words_of_the_run_unless_others_are_given(tmp_path):
    with pytest.raises(ValueError, match=r"must hold words\.npz .* --word_vectors"):
        load_run_words(tmp_path)
    names, vectors = ("red", "green"), np.eye(2)
    write_arrays(tmp_path / "words.npz", names, {"vectors": vectors})
    assert load_run_words(tmp_path).index_to_key == list(names)
    (tmp_path / "others.txt").write_text("puma 1 0\n")
    others = load_run_words(tmp_path, tmp_path / "others.txt")
    assert others.index_to_key == ["puma"]
