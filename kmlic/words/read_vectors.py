"""Word vectors read from files or downloaded by name."""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from kmlic.check_choice import check_choice
from kmlic.count_noun import count_noun
from kmlic.labelled_arrays import read_arrays
from kmlic.require_paths import require_paths
from kmlic.require_reachable import require_reachable

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

# Longer than any word and any line of 10,000 numbers.
_LONGEST_LINE = 1 << 18

# What a gzip file may unpack to in any case, and times its size; texts of numbers
# unpack to three times theirs.
_FREE_BYTES = 64 << 20
_EXPANSION = 20

_logger = logging.getLogger(__name__)


def load_word_vectors(
    path_or_name: str | Path, *, on_error: str = "raise"
) -> KeyedVectors:
    r"""Loads word vectors from a word2vec or GloVe file, text or binary.

    The format is detected from the first bytes: gzip or not, with word2vec's header of
    two numbers or without, text or binary. The last numbers of a text line are the
    vector, so words may contain spaces, as in GloVe 840B.

    Args:
        path_or_name: a file, also one that `write_word_vectors` wrote, or a name that
            gensim.downloader knows, such as "glove-wiki-gigaword-300". A name is
            downloaded once; only the vectors of the download are read, the code in it
            is not run.
        on_error: "raise", or "skip" to leave out invalid lines of a text file and log
            a warning with their number.

    Raises:
        ValueError: naming file and line, if a line has the wrong number of values,
            values that are not finite numbers, or a word that is repeated or not UTF-8;
            if a file is empty, cut short, a pickle or a zip archive.
        FileNotFoundError: if there is no such file.
        ConnectionError: if a name cannot be downloaded.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "glove.txt"
        ...     _ = path.write_text("cat 1 0\ndog 0.5 0.5\n")
        ...     vectors = load_word_vectors(path)
        >>> vectors["dog"].tolist(), vectors.vector_size
        ([0.5, 0.5], 2)
    """
    check_choice("on_error", on_error, "raise", "skip")
    path = Path(path_or_name)
    if not path.exists():
        if path.suffix or len(path.parts) > 1 or isinstance(path_or_name, Path):
            raise FileNotFoundError(
                f"there is no file of word vectors at {path}. Pass a word2vec or GloVe "
                "file, or a name that gensim.downloader knows."
            )
        path = _download(str(path_or_name))
    require_paths(path)
    if not path.is_file():
        raise ValueError(f"`path_or_name` must be a file; got the folder {path}.")
    if path.suffix == ".npz":
        own, arrays = read_arrays(path, ["vectors"])
        array = arrays["vectors"].astype(np.float32)
        shape = (len(own), array.shape[1]) if array.ndim == 2 else None
        if array.shape != shape or not np.isfinite(array).all():
            raise ValueError(
                f"{path} must hold one finite vector for each of its {len(own)} words; "
                f"got shape {array.shape}."
            )
        return make_keyed_vectors(list(own), array)
    with path.open("rb") as file:
        magic = file.read(4)
        _refuse_other_formats(path, magic)
        file.seek(0)
        stream: BinaryIO = file
        if magic[:2] == b"\x1f\x8b":
            size = path.stat().st_size
            most = max(_FREE_BYTES, _EXPANSION * size)
            stream = io.BufferedReader(_LimitedGzip(file, most))
        try:
            words, vectors = _read(stream, path, on_error == "skip")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(
                f"{path} must be a complete gzip file; {error}."
            ) from error
    if not words:
        raise ValueError(f"{path} must hold word vectors; it holds none.")
    return make_keyed_vectors(words, vectors)


class _LimitedGzip(gzip.GzipFile):
    """Refuses to unpack more than a number of bytes."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        super().__init__(fileobj=file)
        self._most = most

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        if self.tell() > self._most:
            raise EOFError(f"it unpacks to more than {self._most:,} bytes")
        return count


def make_keyed_vectors(words: list[str], vectors: np.ndarray) -> KeyedVectors:
    """Builds gensim's KeyedVectors from words and vectors without copying them.

    Args:
        words: unique.
        vectors: (N, D) float32, one per word.
    """
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(vectors.shape[1])
    # add_vectors would copy an array that may take half of the memory.
    keyed.vectors = vectors
    keyed.index_to_key = words
    keyed.next_index = len(words)
    keyed.key_to_index = {word: index for index, word in enumerate(words)}
    return keyed


def _download(name: str) -> Path:
    import gensim.downloader

    remedy = "Pass a word2vec or GloVe file instead (--word_vectors FILE)."
    if not (Path(gensim.downloader.BASE_DIR) / name).is_dir():
        require_reachable("https://raw.githubusercontent.com", remedy)
    try:
        # The path only: load() would run the code that is downloaded with the vectors.
        return Path(gensim.downloader.load(name, return_path=True))
    except (ValueError, OSError) as error:
        raise ValueError(
            "`path_or_name` must be a file or a name that gensim.downloader knows and "
            f"can reach; got {name!r}: {error}. {remedy}"
        ) from error


def _refuse_other_formats(path: Path, magic: bytes) -> None:
    if not magic:
        raise ValueError(f"{path} must hold word vectors; it is empty.")
    pickled = magic[:1] == b"\x80" and magic[1:2] <= b"\x05"
    if pickled or path.suffix in {".pkl", ".pickle"}:
        raise ValueError(
            f"{path} must be a word2vec or GloVe file; it is a pickle, which runs code "
            "when it is opened. If you trust it, convert it once: "
            "gensim.models.KeyedVectors.load(path).save_word2vec_format('vectors.bin', "
            "binary=True); use .wv of a Word2Vec model."
        )
    if magic == b"PK\x03\x04":
        raise ValueError(
            f"{path} must be a word2vec or GloVe file; it is a zip archive. Unpack it "
            "and pass the file inside."
        )


# gensim's load_word2vec_format cannot read files that are not trusted: it allocates
# what the header promises before it reads, accepts NaN, drops repeated words, fails on
# words with spaces, and its errors do not name the line.
def _read(stream: BinaryIO, path: Path, skip: bool) -> tuple[list[str], np.ndarray]:
    first = stream.readline(_LONGEST_LINE)
    header = re.fullmatch(rb"\s*(\d+)[ \t]+(\d+)\s*", first)
    if header is None:
        stream.seek(0)
        return _collect(_lines(stream, 1), _parse_line, None, f"{path}, line", skip)
    count, size = int(header[1]), int(header[2])
    if not 1 <= size <= _LONGEST_LINE:
        raise ValueError(f"{path}, line 1 must give the size of a vector; got {size}.")
    start = stream.tell()
    looks_binary = _looks_binary(stream.read(4 * size + 64))
    stream.seek(start)
    if looks_binary:
        records = _records(stream, path, count, size)
        return _collect(records, _parse_record, size, f"{path}, vector", False)
    lines = _lines(stream, 2)
    words, vectors = _collect(lines, _parse_line, size, f"{path}, line", skip)
    if len(words) != count and not skip:
        raise ValueError(
            f"{path}, line 1 promises {count} vectors; the file holds {len(words)}."
        )
    return words, vectors


def _looks_binary(data: bytes) -> bool:
    """Finds bytes that occur in binary numbers, but in no text."""
    if any(byte < 32 and byte not in b"\t\r\n" for byte in data):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return True
    return False


def _lines(stream: BinaryIO, first: int) -> Iterator[tuple[int, bytes]]:
    lines = iter(lambda: stream.readline(_LONGEST_LINE), b"")
    return (pair for pair in enumerate(lines, first) if pair[1].strip())


def _records(
    stream: BinaryIO, path: Path, count: int, size: int
) -> Iterator[tuple[int, bytes]]:
    for number in range(1, count + 1):
        word = bytearray()
        while (byte := stream.read(1)) not in (b" ", b"") and len(word) < _LONGEST_LINE:
            word += byte
        data = stream.read(4 * size)
        if len(data) < 4 * size:
            raise ValueError(
                f"{path}, vector {number} of {count} is cut short: the file ends "
                "within it."
            )
        # Some writers end each vector with a line break.
        yield number, bytes(word).lstrip(b"\n") + b" " + data


def _collect(
    records: Iterator[tuple[int, bytes]],
    parse: Callable[[bytes, int | None], tuple[bytes, np.ndarray]],
    size: int | None,
    where: str,
    skip: bool,
) -> tuple[list[str], np.ndarray]:
    """Parses numbered records into unique words and finite vectors."""
    words: dict[str, int] = {}
    numbers = bytearray()  # grows with what is read, whatever the header promises
    skipped: list[str] = []
    for number, record in records:
        try:
            text, vector = parse(record, size)
            if not np.isfinite(vector).all():
                bad = vector[~np.isfinite(vector)][0]
                raise ValueError(f"must give finite numbers; got {bad}")
            word = _decode(text)
            if word in words:
                kind = where.split()[-1]
                raise ValueError(f"repeats the word {word!r} of {kind} {words[word]}")
        except ValueError as error:
            sentence = f"{where} {number} {error}."
            if not skip:
                raise ValueError(sentence) from None
            skipped.append(sentence)
            continue
        size = len(vector)
        words[word] = number
        numbers += vector.tobytes()
    if skipped:
        _logger.warning(
            "skipped %s; the first: %s", count_noun(len(skipped), "line"), skipped[0]
        )
    vectors = np.frombuffer(numbers, np.float32).reshape(len(words), size or 0)
    return list(words), vectors


def _parse_line(line: bytes, size: int | None) -> tuple[bytes, np.ndarray]:
    if size is None:
        text, *numbers = line.split()
    else:
        text, *numbers = line.rstrip().rsplit(None, size)
        if len(numbers) < size or any(map(_is_number, text.split()[1:])):
            given = len(line.split()) - 1
            raise ValueError(f"must give {size} numbers; it gives {given}")
    if not numbers:
        raise ValueError("must be a word and numbers; it has no number")
    try:
        return text, np.array(numbers, dtype=np.float32)
    except ValueError:
        bad = next(n for n in numbers if not _is_number(n))
        shown = bad[:40].decode("utf-8", "replace")
        raise ValueError(f"must give numbers; got {shown!r}") from None


def _parse_record(record: bytes, size: int | None) -> tuple[bytes, np.ndarray]:
    text, _, data = record.partition(b" ")
    return text, np.frombuffer(data, "<f4").astype(np.float32)


def _decode(text: bytes) -> str:
    try:
        word = text.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"has a word that is not UTF-8: {text[:40]!r}") from None
    if not word:
        raise ValueError("has a vector without a word")
    return word


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
