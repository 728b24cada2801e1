import numpy as np
import pytest

from kmlic.words import embed_labels, load_word_vectors
from tests.shared import shared_path


def test_averages_the_words_of_a_label():
    words = {"hot": [1.0, 0], "dog": [0, 1.0], "t-shirt": [3.0, 3], "New_York": [5, 5]}
    words = {word: np.array(vector) for word, vector in words.items()}
    names = ["hot dog", "Hot_Dog", "hot-dog/dog", "hot t-shirt", "New York", "DOG"]
    array, report = embed_labels(names, words)
    expected = [[0.5, 0.5], [0.5, 0.5], [1 / 3, 2 / 3], [2, 1.5], [5, 5], [0, 1]]
    np.testing.assert_allclose(array, expected, rtol=1e-6)
    assert array.dtype == np.float32 and not report.missing_words
    assert report.found["hot t-shirt"] == ("hot", "t-shirt")
    assert report.shared == (("hot dog", "Hot_Dog"),)


@pytest.mark.parametrize("graph", ["nuswide", "apparel"])
def test_equals_the_published_label_vectors(graph):
    vectors = load_word_vectors(shared_path("data/words/glove_300d_objects.txt"))
    published = np.load(shared_path(f"data/label_graphs/{graph}.npz"))
    names = [str(name) for name in published["labels"]]
    array, report = embed_labels(names, vectors)
    assert not report.missing_words
    np.testing.assert_allclose(array, published["vectors"], atol=1e-4)


def test_reports_every_word_that_was_not_found():
    words = {"dog": np.ones(2), "tv": np.ones(2)}
    names = ["hot dog", "unicorn", "dog", "tvmonitor", "two-headed ogre"]
    with pytest.raises(ValueError, match=r"2 of 5 .*: unicorn, two-headed ogre\. Name"):
        embed_labels(names, words, replacements={"tvmonitor": "tv monitor"})
    array, report = embed_labels(
        names, words, missing="learn", replacements={"tvmonitor": "tv monitor"}
    )
    assert report.missing_labels == ("unicorn", "two-headed ogre")
    assert report.missing_words == {
        "hot dog": ("hot",),
        "unicorn": ("unicorn",),
        "tvmonitor": ("monitor",),
        "two-headed ogre": ("two", "headed", "ogre"),
    }
    assert "No vector at all: unicorn, two-headed ogre." in str(report)
    assert "The same vector: hot dog, dog, tvmonitor." in str(report)
    assert np.isfinite(array).all() and np.abs(array[[1, 4]]).max() > 0


def test_vectors_to_be_learned_are_seeded_and_go_with_their_label():
    words = {"dog": np.array([0.5, -0.5])}
    first, _ = embed_labels(["dog", "xyz", "zyx"], words, missing="learn")
    second, _ = embed_labels(["zyx", "dog", "xyz"], words, missing="learn")
    np.testing.assert_array_equal(second, first[[2, 0, 1]])
    other, _ = embed_labels(["dog", "xyz", "zyx"], words, missing="learn", seed=1)
    assert (other[0] == first[0]).all() and (other[1:] != first[1:]).all()
    assert not np.allclose(first[1], first[2])


def test_says_which_argument_does_not_fit():
    with pytest.raises(ValueError, match="missing='zero'"):
        embed_labels(["a"], {"a": np.ones(1)}, missing="zero")
    with pytest.raises(ValueError, match="combine='last'"):
        embed_labels(["a"], {"a": np.ones(1)}, combine="last")
    with pytest.raises(ValueError, match=r"known labels; got \['b'\]"):
        embed_labels(["a"], {"a": np.ones(1)}, replacements={"b": "c"})


def test_without_any_vectors_all_labels_learn_theirs():
    array, report = embed_labels(["dog", "sofa"], {}, missing="learn")
    assert array.shape == (2, 300)
    assert report.missing_labels == ("dog", "sofa")
    assert not np.allclose(array[0], array[1])


SYNONYMS = {
    "cougar": ("Felis concolor", "mountain lion", "puma"),
    "puma": ("puma",),
    "teapot": ("teapot", "kettle of tea"),
}
ZOO = {
    word: np.array(vector, "float64")
    for word, vector in {
        "mountain": [1, 0],
        "lion": [0, 1],
        "puma": [4, 4],
        "teapot": [-1, 0],
        "kettle": [0, -3],
    }.items()
}


def test_the_first_synonym_that_has_a_vector_stands_for_a_label():
    array, report = embed_labels(list(SYNONYMS), ZOO, synonyms=SYNONYMS)
    assert array.tolist() == [[0.5, 0.5], [4, 4], [-1, 0]]
    assert report.found["cougar"] == ("mountain", "lion")
    assert not report.missing_words


def test_or_the_mean_of_all_that_have_one():
    array, report = embed_labels(list(SYNONYMS), ZOO, synonyms=SYNONYMS, combine="mean")
    np.testing.assert_allclose(array, [[2.25, 2.25], [4, 4], [-0.5, -1.5]])
    assert report.missing_words["cougar"] == ("Felis", "concolor")
    assert report.missing_words["teapot"] == ("of", "tea")


def test_a_replacement_comes_before_synonyms():
    array, report = embed_labels(
        ["cougar", "puma"], ZOO, synonyms=SYNONYMS, replacements={"cougar": "lion puma"}
    )
    assert array.tolist() == [[2, 2.5], [4, 4]]
    # Labels that stand for one word share its vector.
    _, report = embed_labels(
        ["cougar", "puma"], ZOO, synonyms=SYNONYMS, replacements={"cougar": "puma"}
    )
    assert report.shared == (("cougar", "puma"),)


def test_labels_without_a_vector_can_be_left_out_and_are_listed():
    names = ["lion", "unicorn", "puma"]
    array, report = embed_labels(names, ZOO, missing="leave_out")
    assert report.with_vector == ("lion", "puma")
    assert report.missing_labels == ("unicorn",)
    assert array.tolist() == [[0, 1], [4, 4]]
    with pytest.raises(ValueError, match="1 of 1 have none: unicorn"):
        embed_labels(["unicorn"], ZOO, missing="leave_out")


def test_labels_whose_vector_is_zero_are_listed():
    words = {
        "nought": np.zeros(2),
        "left": np.array([1, 2]),
        "right": -np.array([1, 2]),
    }
    array, report = embed_labels(["nought", "left", "left right"], words)
    assert report.zero == ("nought", "left right")
    assert "A vector of zeros: nought, left right." in str(report)
    assert np.isfinite(array).all()
