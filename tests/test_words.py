import gzip
import logging
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from kmlic.words import (
    LabelVectors,
    centre_word_vectors,
    embed_labels,
    load_word_vectors,
    reduce_word_vectors,
    train_word_vectors,
    unit_vectors,
    write_word_vectors,
)
from tests.shared import shared_path

gensim_models = pytest.importorskip("gensim.models")

WORDS = ["cat", "dog", "été", "New_York"]
VECTORS = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def write_with_gensim(path, **arguments):
    keyed = gensim_models.KeyedVectors(6)
    keyed.add_vectors(WORDS, VECTORS)
    keyed.save_word2vec_format(str(path), **arguments)
    return path


def write(tmp_path, text, name="vectors.txt"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("word2vec.txt", {"binary": False}),
        ("word2vec.bin", {"binary": True}),
        ("glove.txt", {"binary": False, "write_header": False}),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_reads_what_gensim_wrote(tmp_path, name, arguments, compressed):
    path = write_with_gensim(tmp_path / name, **arguments)
    if compressed:
        path = write(tmp_path, gzip.compress(path.read_bytes()), f"{name}.gz")
    vectors = load_word_vectors(path)
    assert isinstance(vectors, gensim_models.KeyedVectors)
    assert vectors.index_to_key == WORDS
    np.testing.assert_allclose(vectors.vectors, VECTORS, rtol=1e-6)
    neighbour, _ = vectors.most_similar("cat", topn=1)[0]
    assert neighbour in WORDS
    vectors.add_vectors(["cow"], VECTORS[:1] + 1)  # as to vectors gensim read
    assert vectors.index_to_key == [*WORDS, "cow"]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_tells_binary_from_text_when_a_vector_begins_with_a_line_break(tmp_path, size):
    vectors = np.frombuffer(b"\n\n\n\x00" * size * 2, "<f4").reshape(2, size)
    records = [
        b"%s %s" % (w, v.tobytes()) for w, v in zip((b"a", b"b"), vectors, strict=True)
    ]
    path = write(tmp_path, b"2 %d\n" % size + b"\n".join(records) + b"\n")
    np.testing.assert_array_equal(load_word_vectors(path).vectors, vectors)


def test_a_word_may_hold_spaces_as_in_glove(tmp_path):
    path = write(tmp_path, "a 1 2\n. . . 3 4\nat name@domain.com 5 6\n\n")
    vectors = load_word_vectors(path)
    assert vectors.index_to_key == ["a", ". . .", "at name@domain.com"]
    assert vectors[". . ."].tolist() == [3, 4]


# gensim leaves the file open when it is told that there is no header.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("file", "size"),
    [
        ("glove_50d_subset", 50),
        ("glove_100d_cifar100", 100),
        ("glove_300d_objects", 300),
    ],
)
def test_equals_gensims_own_reader_on_glove(file, size):
    path = shared_path(f"data/words/{file}.txt")
    expected = gensim_models.KeyedVectors.load_word2vec_format(
        str(path), binary=False, no_header=True
    )
    actual = load_word_vectors(path)
    assert actual.vector_size == size
    assert actual.index_to_key == expected.index_to_key
    np.testing.assert_allclose(actual.vectors, expected.vectors, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a 1 2\nb 1 2 3\n", "line 2 must give 2 numbers; it gives 3"),
        ("a 1 2\nb 1\n", "line 2 must give 2 numbers; it gives 1"),
        ("2 3\na 1 2\nb 1 2\n", "line 2 must give 3 numbers; it gives 2"),
        ("a 1 2\nb 1 x\n", "line 2 must give numbers; got 'x'"),
        ("a 1 2\nb 1 nan\n", "line 2 must give finite numbers; got 'nan'"),
        ("a 1 2\nb 1 inf\n", "line 2 must give finite numbers; got 'inf'"),
        ("a 1 2\nb 1 2\na 3 4\n", "line 3 repeats the word 'a' of line 1"),
        (b"a 1 2\n\xff 1 2\n", "line 2 has a word that is not UTF-8"),
        ("a 1 2\n1 2\n", "line 2 must give 2 numbers; it gives 1"),
        ("3 2\na 1 2\nb 1 2\n", "line 1 promises 3 vectors; the file holds 2"),
        ("word\n", "line 1 must be a word and numbers"),
        ("a 1 2\n<html> 404\n", "line 2 must give 2 numbers"),
        ("3 0\n", "line 1 must give the size of a vector; got 0"),
        ("", "it is empty"),
        ("\n\n", "it holds none"),
        (b"PK\x03\x04zip", "it is a zip archive. Unpack it"),
    ],
)
def test_names_file_and_line_of_what_is_wrong(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=f"vectors.txt.*{sentence}"):
        load_word_vectors(write(tmp_path, text))


def test_skips_and_counts_bad_lines_on_request(tmp_path, caplog):
    path = write(tmp_path, "a 1 2\nb 1 x\nc 5\nd 3 4\n")
    with caplog.at_level(logging.WARNING, "kmlic.words"):
        assert load_word_vectors(path, on_error="skip").index_to_key == ["a", "d"]
    assert "skipped 2 lines; the first" in caplog.text and "line 2" in caplog.text


@pytest.mark.parametrize("kept", [5, 40, 60, 100])
def test_says_where_a_cut_binary_file_ends(tmp_path, kept):
    whole = write_with_gensim(tmp_path / "whole.bin", binary=True).read_bytes()
    path = write(tmp_path, whole[:kept], "cut.bin")
    with pytest.raises(ValueError, match=r"cut\.bin"):
        load_word_vectors(path)


def test_names_the_vector_of_a_binary_file_that_is_wrong(tmp_path):
    record = b"a " + np.array([1, np.nan], "<f4").tobytes()
    path = write(tmp_path, b"1 2\n" + record, "nan.bin")
    with pytest.raises(ValueError, match=r"nan.bin, vector 1 of 1 \('a'\) must give"):
        load_word_vectors(path)
    short = b"2 2\na " + np.ones(2, "<f4").tobytes() + b"\nbbbbbb "
    with pytest.raises(ValueError, match="vector 2 of 2 is cut short"):
        load_word_vectors(write(tmp_path, short, "short.bin"))


def test_a_header_cannot_ask_for_memory_that_the_file_does_not_fill(tmp_path):
    binary = b"999999999999 300\na " + np.ones(4, "<f4").tobytes()
    for data in (binary, gzip.compress(binary)):
        path = write(tmp_path, data, "bomb.bin")
        with pytest.raises(ValueError, match="promises 999999999999 vectors"):
            load_word_vectors(path)


def test_a_cut_gzip_file_is_named(tmp_path):
    text = "".join(f"w{i} {i} {i + 1}\n" for i in range(2000))
    path = write(tmp_path, gzip.compress(text.encode())[:-3000], "cut.txt.gz")
    with pytest.raises(ValueError, match=r"cut.txt.gz"):
        load_word_vectors(path)


def test_refuses_a_pickle_and_says_how_to_convert_it(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    for name in ("glove.pkl", "vectors.kv", "word2vec.model"):
        path = write(tmp_path, pickle.dumps(Trap()), name)
        with pytest.raises(ValueError, match=f"{name} .*pickle.*save_word2vec_format"):
            load_word_vectors(path)


def test_a_name_is_downloaded_without_running_what_comes_with_it(tmp_path, monkeypatch):
    import gensim.downloader

    path = write_with_gensim(tmp_path / "vectors.txt", binary=False)
    asked = []

    def load(name, return_path=False):
        asked.append((name, return_path))
        if name != "glove-wiki-gigaword-50":
            raise ValueError("Incorrect model/corpus name")
        return str(path)

    monkeypatch.setattr(gensim.downloader, "load", load)
    assert load_word_vectors("glove-wiki-gigaword-50").index_to_key == WORDS
    assert asked == [("glove-wiki-gigaword-50", True)]
    with pytest.raises(ValueError, match="got 'glove-wiki': Incorrect"):
        load_word_vectors("glove-wiki")
    with pytest.raises(FileNotFoundError, match=r"at glove\.6B\.300d\.txt"):
        load_word_vectors("glove.6B.300d.txt")


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
    assert "One vector for hot dog, dog, tvmonitor." in str(report)
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
    with pytest.raises(ValueError, match="2 captions without any"):
        train_word_vectors(["", "..."])
    with pytest.raises(ValueError, match="size=0"):
        train_word_vectors(["a"], size=0)


def captions():
    random = np.random.default_rng(0)
    companies = [
        ("shirt", ["collar", "sleeve", "button"]),
        ("blouse", ["collar", "sleeve", "button"]),
        ("jeans", ["denim", "pocket", "zip"]),
    ]
    texts = []
    for _ in range(300):
        word, company = companies[random.integers(3)]
        texts.append(f"A {word}, {' '.join(random.permutation(company))}.")
    return texts


def test_words_of_like_company_get_like_vectors():
    vectors = train_word_vectors(captions(), size=16, epochs=20)
    assert vectors.similarity("shirt", "blouse") > vectors.similarity("shirt", "jeans")
    assert sorted(vectors.key_to_index)[:3] == ["a", "blouse", "button"]


def test_training_gives_the_same_in_every_process():
    texts = captions()[:40]
    expected = train_word_vectors(texts, size=4, epochs=2, seed=3)
    script = (
        "import sys; from kmlic.words import train_word_vectors as train;"
        f"sys.stdout.write(train({texts!r}, size=4, epochs=2, seed=3)"
        ".vectors.tobytes().hex())"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == expected.vectors.tobytes().hex()
    assert (
        train_word_vectors(texts, size=4, epochs=2).vectors != expected.vectors
    ).any()


def test_reads_back_what_it_wrote(tmp_path):
    vectors = LabelVectors(("cat", "dog", "été", "New_York"), VECTORS)
    identity = vectors.write(tmp_path / "vectors.npz")
    copy = LabelVectors.read(tmp_path / "vectors.npz", names=vectors.names)
    assert copy.names == vectors.names and len(identity) == 64
    np.testing.assert_array_equal(copy.vectors, VECTORS)
    with pytest.raises(ValueError, match="label 1 is 'dog' here and 'cow' there"):
        LabelVectors.read(tmp_path / "vectors.npz", names=("cat", "cow"))
    path = write(tmp_path, pickle.dumps(VECTORS), "voc_glove_word2vec.pkl")
    with pytest.raises(ValueError, match=r"voc_glove_word2vec.pkl.*LabelVectors"):
        LabelVectors.read(path)
    with pytest.raises(ValueError, match=r"\['b'\] are not"):
        LabelVectors(("a", "b"), np.array([[1.0], [np.inf]]))


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


def keyed(array):
    vectors = gensim_models.KeyedVectors(array.shape[1])
    vectors.add_vectors([f"word {index}" for index in range(len(array))], array)
    return vectors


@pytest.mark.parametrize("size", [1, 3, 6])
def test_reduces_dimensions_as_scikit_learns_pca(size):
    from sklearn.decomposition import PCA

    random = np.random.default_rng(0)
    array = random.normal(3, [9, 5, 3, 2, 1, 0.5], size=(50, 6)).astype("float32")
    vectors = keyed(array)
    reduced = reduce_word_vectors(vectors, size)
    expected = PCA(size).fit_transform(array.astype("float64"))
    signs = np.sign((expected * reduced.vectors).sum(axis=0))
    np.testing.assert_allclose(reduced.vectors, expected * signs, atol=1e-4)
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


def test_word_vectors_are_read_back_as_they_were_written(tmp_path):
    vectors = keyed(VECTORS)
    write_word_vectors(vectors, tmp_path / "words.npz")
    copy = load_word_vectors(tmp_path / "words.npz")
    assert copy.index_to_key == vectors.index_to_key
    np.testing.assert_array_equal(copy.vectors, vectors.vectors)
    write_word_vectors(vectors, tmp_path / "words.npz", most=2)
    assert len(load_word_vectors(tmp_path / "words.npz").index_to_key) == 2
    with pytest.raises(ValueError, match=r"must end with \.npz; got .*words\.bin"):
        write_word_vectors(vectors, tmp_path / "words.bin")
    path = write(tmp_path, pickle.dumps(VECTORS), "trap.npz")
    with pytest.raises(ValueError, match=r"trap\.npz must be an \.npz file"):
        load_word_vectors(path)
