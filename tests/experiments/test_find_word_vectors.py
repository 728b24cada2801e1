import numpy as np
import pytest

from kmlic.experiments import find_word_vectors
from kmlic.words import train_word_vectors
from tests.toys import toy_data


class Captioned:
    captions = ("a red dress", "a blue dress")


def test_captions_are_trained_with_the_seed():
    found = find_word_vectors("captions", Captioned, 1)
    expected = train_word_vectors(Captioned.captions, seed=1)
    np.testing.assert_array_equal(found["dress"], expected["dress"])


def test_a_file_is_read(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("dog 1 2\ncat 3 4")
    assert find_word_vectors(str(path), toy_data(), 0)["cat"].tolist() == [3, 4]


def test_a_dataset_without_captions_is_refused():
    with pytest.raises(ValueError, match="got one without captions"):
        find_word_vectors("captions", toy_data(), 0)
