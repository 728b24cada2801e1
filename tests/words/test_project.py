import numpy as np
import pytest
from gensim.models import KeyedVectors

from kmlic.words import centre_word_vectors, reduce_word_vectors, unit_vectors

VECTORS = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def keyed(array):
    vectors = KeyedVectors(array.shape[1])
    vectors.add_vectors([f"word {index}" for index in range(len(array))], array)
    return vectors


@pytest.mark.parametrize("size", [1, 3, 6])
def test_projects_onto_the_directions_of_largest_variance(size):
    random = np.random.default_rng(0)
    array = random.normal(3, [9, 5, 3, 2, 1, 0.5], size=(50, 6)).astype("float32")
    vectors = keyed(array)
    reduced = reduce_word_vectors(vectors, size)
    centred = array.astype("float64") - array.mean(axis=0, dtype="float64")
    components = np.linalg.svd(centred, full_matrices=False)[2][:size]
    largest = np.abs(components).argmax(axis=1)
    components *= np.sign(components[np.arange(size), largest])[:, None]
    np.testing.assert_allclose(reduced.vectors, centred @ components.T, atol=1e-5)
    assert reduced.index_to_key == vectors.index_to_key
    np.testing.assert_array_equal(vectors.vectors, array)
    with pytest.raises(ValueError, match=r"from 1 to 6, for 50 words .* size=7"):
        reduce_word_vectors(vectors, 7)


def test_moves_the_origin_of_vectors():
    vectors = keyed(VECTORS)
    moved = centre_word_vectors(vectors, VECTORS[1])
    np.testing.assert_allclose(moved.vectors, VECTORS - VECTORS[1], atol=1e-6)
    with pytest.raises(ValueError, match=r"6 numbers .* got shape \(5,\)"):
        centre_word_vectors(vectors, np.zeros(5))


def test_unit_vectors_have_length_one_whatever_their_size():
    vectors = VECTORS * np.array([[1], [1e-30], [1e30], [0]], "float32")
    units = unit_vectors(vectors)
    expected = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    np.testing.assert_allclose(units[:3], expected[:3], rtol=1e-5)
    assert (units[3] == 0).all()
    with pytest.raises(ValueError, match="row 1 is not"):
        unit_vectors(np.array([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match=r"got shape \(2,\)"):
        unit_vectors(np.ones(2))
