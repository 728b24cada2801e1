import dataclasses

import numpy as np
import pytest

from kmlic.experiments.find_label_words import _read_label_words, look_up
from kmlic.words import load_word_vectors
from tests.experiments.zero_shot_toys import NAMES, dataset, find


@pytest.mark.parametrize("centre", [False, True])
def test_labels_get_the_words_chosen_for_them(tmp_path, centre):
    settings, words = find(tmp_path, centre=centre)
    loaded = load_word_vectors(tmp_path / "words.txt")
    assert words.names == NAMES[:5]  # no word is called unicorn
    np.testing.assert_array_equal(words.plain_vectors[1], loaded["dog"])
    assert words.shared == [[0, 1]]
    offset = words.plain_vectors.mean(axis=0) if centre else 0
    np.testing.assert_allclose(
        words.vectors, words.plain_vectors - offset, rtol=1e-4, atol=1e-6
    )
    identified = dataset(("oak",), identifiers={"oak": "id7"})
    vectors, _ = look_up(settings, identified, ["oak"], words.plain_vocabulary)
    np.testing.assert_array_equal(vectors[0], loaded["tree"])


def test_reduces_words_and_holds_labels_out(tmp_path):
    _, words = find(tmp_path, dimensions=3, held_out=("cat", "bus"))
    assert words.names == ("dog", "hound", "car")
    assert words.vectors.shape == (3, 3) and words.plain_vectors.shape == (3, 5)
    with pytest.raises(ValueError, match=r"must be labels of toy; got \['cow'\]"):
        find(tmp_path, held_out=("cow",))


def test_a_missing_table_is_named(tmp_path):
    settings, _ = find(tmp_path)
    settings = dataclasses.replace(settings, label_words_table="100d")
    with pytest.raises(ValueError, match="label_words_table='100d'"):
        _read_label_words(settings)
