import gzip
import logging
import pickle

import numpy as np
import pytest

from kmlic.words import load_word_vectors, read_vectors
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
        ("a 1 2\nb 1 nan\n", "line 2 must give finite numbers; got nan"),
        ("a 1 2\nb 1 inf\n", "line 2 must give finite numbers; got inf"),
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
def test_names_a_binary_file_that_is_cut_short(tmp_path, kept):
    whole = write_with_gensim(tmp_path / "whole.bin", binary=True).read_bytes()
    path = write(tmp_path, whole[:kept], "cut.bin")
    with pytest.raises(ValueError, match=r"cut\.bin"):
        load_word_vectors(path)


def test_names_the_vector_of_a_binary_file_that_is_wrong(tmp_path):
    record = b"a " + np.array([1, np.nan], "<f4").tobytes()
    path = write(tmp_path, b"1 2\n" + record, "nan.bin")
    with pytest.raises(
        ValueError, match=r"nan.bin, vector 1 must give finite numbers; got nan"
    ):
        load_word_vectors(path)
    short = b"2 2\na " + np.ones(2, "<f4").tobytes() + b"\nbbbbbb "
    with pytest.raises(ValueError, match="vector 2 of 2 is cut short"):
        load_word_vectors(write(tmp_path, short, "short.bin"))


def test_a_header_cannot_ask_for_memory_that_the_file_does_not_fill(tmp_path):
    binary = b"999999999999 300\na " + np.ones(4, "<f4").tobytes()
    for data in (binary, gzip.compress(binary)):
        path = write(tmp_path, data, "bomb.bin")
        with pytest.raises(ValueError, match="vector 1 of 999999999999 is cut short"):
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

    monkeypatch.setattr(read_vectors, "require_reachable", lambda *_: None)
    monkeypatch.setattr(gensim.downloader, "load", load)
    assert load_word_vectors("glove-wiki-gigaword-50").index_to_key == WORDS
    assert asked == [("glove-wiki-gigaword-50", True)]
    with pytest.raises(ValueError, match="got 'glove-wiki': Incorrect"):
        load_word_vectors("glove-wiki")
    with pytest.raises(FileNotFoundError, match=r"at glove\.6B\.300d\.txt"):
        load_word_vectors("glove.6B.300d.txt")


def test_says_which_flag_does_without_a_network(tmp_path, monkeypatch):
    import gensim.downloader

    def refuse(url, remedy):
        raise ConnectionError(f"{url} cannot be reached. {remedy}")

    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path))
    monkeypatch.setattr(read_vectors, "require_reachable", refuse)
    with pytest.raises(ConnectionError, match=r"reached.*--word_vectors FILE"):
        load_word_vectors("glove-wiki-gigaword-300")


def test_refuses_a_gzip_file_that_unpacks_to_much_more(tmp_path):
    path = tmp_path / "bomb.txt.gz"
    number = b" 0." + b"0" * 60_000
    lines = (b"w%d" % index + number + b"\n" for index in range(1200))
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.writelines(lines)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ValueError, match=r"it unpacks to more than 67,108,864 bytes"):
        load_word_vectors(path)
