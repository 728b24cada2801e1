import sys

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

import kmlic.embedding_index
from kmlic.embedding_index import EmbeddingIndex, conse

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(700, 16)).astype("float32")
QUERIES = RANDOM.normal(size=(30, 16)).astype("float32")
NAMES = [f"word {number}" for number in range(700)]


def brute_force(k, vectors=VECTORS):
    found = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute")
    distances, indices = found.fit(vectors).kneighbors(QUERIES)
    return 1 - distances, indices


@pytest.mark.parametrize("k", [1, 10, 300, 700])
@pytest.mark.parametrize("most_scores", [1, 2000, 1 << 25])
def test_equals_brute_force_in_batches_of_any_size(monkeypatch, k, most_scores):
    monkeypatch.setattr(kmlic.embedding_index, "_MOST_SCORES", most_scores)
    index = EmbeddingIndex(NAMES, VECTORS)
    found = index.search(QUERIES, k)
    scores, indices = brute_force(len(NAMES))
    np.testing.assert_allclose(found.scores, scores[:, :k], atol=1e-6)
    # Names whose scores differ by rounding alone may change places.
    gaps = np.abs(np.diff(scores, axis=1, prepend=2, append=-2)) > 1e-6
    alone = (gaps[:, 1:] & gaps[:, :-1])[:, :k]
    assert alone.mean() > 0.9
    np.testing.assert_array_equal(found.indices[alone], indices[:, :k][alone])
    assert found.names[3, 0] == f"word {indices[3, 0]}"
    cosines = np.take_along_axis(index.scores(QUERIES), found.indices, axis=1)
    np.testing.assert_allclose(cosines, found.scores, atol=1e-6)


def test_of_equal_scores_the_first_name_comes_first():
    vectors = np.zeros((1000, 4), "float32")
    vectors[[130, 131, 500, 900]] = [0, 1, 0, 0]
    vectors[[2, 999]] = [1, 0, 0, 0]
    index = EmbeddingIndex([str(number) for number in range(1000)], vectors)
    query = np.array([[0.5, 1.0, 0, 0]])
    found = index.search(query, k=8).indices
    assert found.tolist() == [[130, 131, 500, 900, 2, 999, 0, 1]]
    assert index.search(query, k=3).indices.tolist() == [[130, 131, 500]]


def test_names_can_be_left_out():
    index = EmbeddingIndex(NAMES, VECTORS)
    best = index.search(QUERIES[:1], k=3).names[0]
    rest = index.search(QUERIES[:1], k=2, leave_out=best[:2].tolist()).names[0]
    assert rest[0] == best[2]
    with pytest.raises(ValueError, match=r"names of the index; got \['puma'\]"):
        index.search(QUERIES, k=1, leave_out=["puma"])
    with pytest.raises(ValueError, match=r"from 1 to .* 699; got k=700"):
        index.search(QUERIES, k=700, leave_out=["word 0"])


def test_new_labels_are_added_by_name_without_training():
    words = {"mountain": np.array([1.0, 0, 0]), "lion": np.array([0, 1.0, 0])}
    index = EmbeddingIndex(("cat", "car"), np.array([[0, 1, 1], [0, 0, 1.0]]))
    report = index.add_words(["mountain lion", "lion"], words)
    assert report.found["mountain lion"] == ("mountain", "lion")
    found = index.search(np.array([[0.6, 0.5, 0.0]]), k=4)
    assert found.names[0].tolist() == ["mountain lion", "lion", "cat", "car"]
    index.add_words(["unicorn", "LION"], words, missing="leave_out")
    assert index.names == ("cat", "car", "mountain lion", "lion", "LION")
    with pytest.raises(ValueError, match="got 'lion' again"):
        index.add_words(["lion"], words)
    assert len(index) == 5


def test_grows_beyond_a_block():
    index = EmbeddingIndex(NAMES[:100], VECTORS[:100])
    index.add(NAMES[100:], VECTORS[100:])
    whole = EmbeddingIndex(NAMES, VECTORS)
    np.testing.assert_array_equal(index.vectors, whole.vectors)
    np.testing.assert_array_equal(
        index.search(QUERIES, 5).indices, whole.search(QUERIES, 5).indices
    )


def test_a_vector_of_zeros_is_near_to_nothing():
    index = EmbeddingIndex(("zero", "one", "minus"), np.array([[0.0], [1.0], [-1.0]]))
    found = index.search(np.array([[2.0], [0.0]]), k=3)
    assert found.names[0].tolist() == ["one", "zero", "minus"]
    assert found.scores.tolist() == [[1, 0, -1], [0, 0, 0]]


def test_no_queries_give_no_names():
    found = EmbeddingIndex(NAMES, VECTORS).search(QUERIES[:0], 5)
    assert found.names.shape == found.scores.shape == (0, 5)


def test_the_approximate_search_has_the_same_interface():
    pytest.importorskip("faiss")
    exact = EmbeddingIndex(NAMES, VECTORS).search(QUERIES, 10)
    index = EmbeddingIndex(NAMES[:600], VECTORS[:600], method="approximate")
    index.add(NAMES[600:], VECTORS[600:])
    found = index.search(QUERIES, 10)
    hits = [
        len({*mine} & {*best})
        for mine, best in zip(found.names, exact.names, strict=True)
    ]
    assert np.mean(hits) > 9.5
    np.testing.assert_allclose(found.scores[:, 0], exact.scores[:, 0], atol=1e-5)
    left = index.search(QUERIES, 2, leave_out=NAMES[:300])
    assert left.indices.min() >= 300
    np.testing.assert_array_equal(index.scores(QUERIES).shape, (30, 700))


def test_says_which_extra_the_approximate_search_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"kmlic\[search\]"):
        EmbeddingIndex(NAMES, VECTORS, method="approximate")


def test_says_what_does_not_fit():
    for arguments, rule in (
        ((("a", "b"), np.ones((3, 2))), r"must be \(2, 2\).*got shape \(3, 2\)"),
        ((("a", "a"), np.ones((2, 2))), "got 'a' again"),
        ((("a",), np.array([[np.nan]])), "row 0 is not"),
        (((), np.ones((0, 2))), "for 0 names"),
    ):
        with pytest.raises(ValueError, match=rule):
            EmbeddingIndex(*arguments)
    with pytest.raises(ValueError, match="method='fast'"):
        EmbeddingIndex(("a",), np.ones((1, 2)), method="fast")
    index = EmbeddingIndex(("a",), np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"must be \(N, 2\); got shape \(1, 3\)"):
        index.search(np.ones((1, 3)))
    with pytest.raises(ValueError, match="got k=0"):
        index.search(np.ones((1, 2)), k=0)


def test_conse_weighs_the_likeliest_labels():
    probabilities = RANDOM.uniform(size=(4, 6)).astype("float32")
    vectors = RANDOM.normal(size=(6, 3)).astype("float32")
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row, embedding in zip(
        probabilities, conse(probabilities, vectors, top=3), strict=True
    ):
        best = np.argsort(-row)[:3]
        expected = (row[best, None] * units[best]).sum(axis=0) / row[best].sum()
        np.testing.assert_allclose(embedding, expected, rtol=1e-5)
    assert (conse(np.zeros((1, 6)), vectors) == 0).all()
    with pytest.raises(ValueError, match=r"\(N, 6\).*got shape \(4, 5\)"):
        conse(probabilities[:, :5], vectors)
    with pytest.raises(ValueError, match="top=0"):
        conse(probabilities, vectors, top=0)
