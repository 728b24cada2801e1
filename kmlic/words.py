"""Label names to vectors, through word vectors of gensim."""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kmlic.labelled_arrays import read_arrays, write_arrays

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = [
    "LabelVectors",
    "WordReport",
    "centre_word_vectors",
    "embed_labels",
    "load_word_vectors",
    "reduce_word_vectors",
    "train_word_vectors",
    "unit_vectors",
    "write_word_vectors",
]

# Longer than any word and any line of 10,000 numbers.
_LONGEST_LINE = 1 << 18
# No stream of deflate unfolds to more than this many times its size.
_LARGEST_RATIO = 1032
# Words worked on at once: 40 MB of 300 numbers in double precision.
_BLOCK = 1 << 14
# Of vectors learned from scratch where no others give a size: that of GloVe 6B 300d.
_LEARNED_SIZE = 300

_logger = logging.getLogger(__name__)


def load_word_vectors(
    path_or_name: str | Path, *, on_error: str = "raise"
) -> KeyedVectors:
    r"""Reads word vectors from word2vec or GloVe files, text or binary, plain or gzip.

    Whether a file has word2vec's header of two numbers, and whether it is text or
    binary, is seen from its first bytes. The last numbers of a text line are the
    vector, so words may contain spaces, as in GloVe 840B.

    Args:
        path_or_name: a file, also one of `write_word_vectors`, or a name that
            gensim.downloader knows, such as "glove-wiki-gigaword-300", which is
            downloaded once; of what comes with it only the vectors are read, no code
            is run.
        on_error: "raise", or "skip" to leave bad lines of a text file out, which are
            counted in a warning of the log.

    Raises:
        ValueError: naming file and line, if a line has a wrong dimension, something
            other than finite numbers, or a word that is not UTF-8 or came before; if a
            file is empty, cut short, a pickle or a zip archive.
        FileNotFoundError: if there is no such file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "glove.txt"
        ...     _ = path.write_text("cat 1 0\ndog 0.5 0.5\n")
        ...     vectors = load_word_vectors(path)
        >>> vectors["dog"].tolist(), vectors.vector_size
        ([0.5, 0.5], 2)
    """
    if on_error not in {"raise", "skip"}:
        raise ValueError(
            f"`on_error` must be 'raise' or 'skip'; got on_error={on_error!r}."
        )
    path = Path(path_or_name)
    if not path.exists():
        if path.suffix or len(path.parts) > 1 or isinstance(path_or_name, Path):
            raise FileNotFoundError(
                f"there is no file of word vectors at {path}. Give a word2vec or GloVe "
                "file, or a name that gensim.downloader knows."
            )
        path = _download(str(path_or_name))
    if not path.is_file():
        raise ValueError(f"`path_or_name` must be a file; got the folder {path}.")
    if path.suffix == ".npz":
        own = LabelVectors.read(path)
        return _keyed_vectors(list(own.names), own.vectors)
    with path.open("rb") as stream:
        magic = stream.read(4)
    _refuse_other_formats(path, magic)
    compressed = magic[:2] == b"\x1f\x8b"
    largest = path.stat().st_size * (_LARGEST_RATIO if compressed else 1)
    with path.open("rb") as file:
        stream = io.BufferedReader(gzip.GzipFile(fileobj=file)) if compressed else file
        try:
            words, vectors = _read(stream, path, largest, on_error == "skip")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} must be a whole gzip file; {error}.") from error
    if not words:
        raise ValueError(f"{path} must hold word vectors; it holds none.")
    return _keyed_vectors(words, vectors)


@dataclass(frozen=True)
class WordReport:
    """Says which words the vectors of labels were made of.

    Args:
        found: label to the words whose vectors were averaged.
        missing_words: label to those of its words that have no vector; labels whose
            words were all found are left out.
        missing_labels: labels none of whose words has a vector.
        shared: labels that have the same vector, such as word orders of one name;
            nothing made of the vectors can tell them apart.
        zero: labels whose vector is all zeros, which nothing is near to.
    """

    found: Mapping[str, tuple[str, ...]]
    missing_words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing_labels: tuple[str, ...] = ()
    shared: tuple[tuple[str, ...], ...] = ()
    zero: tuple[str, ...] = ()

    @property
    def with_vector(self) -> tuple[str, ...]:
        """Names the labels some word of which has a vector, in order."""
        return tuple(name for name, words in self.found.items() if words)

    def __str__(self) -> str:
        whole = len(self.found) - len(self.missing_words)
        lines = [f"{whole} of {len(self.found)} labels have vectors for all words."]
        for label, words in self.missing_words.items():
            lines.append(f"{label}: no vector for {', '.join(words)}.")
        if self.missing_labels:
            lines.append(f"No vector at all: {', '.join(self.missing_labels)}.")
        lines += [f"One vector for {', '.join(labels)}." for labels in self.shared]
        if self.zero:
            lines.append(f"A vector of zeros: {', '.join(self.zero)}.")
        return "\n".join(lines)


def embed_labels(
    names: Sequence[str],
    vectors: KeyedVectors | Mapping[str, np.ndarray],
    *,
    missing: str = "raise",
    replacements: Mapping[str, str] | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    combine: str = "first",
    seed: int = 0,
) -> tuple[np.ndarray, WordReport]:
    """Gives each label the mean vector of the words of its name.

    A name is looked up whole, with spaces and with underscores, as it is written and in
    lower case. If that fails it is split at spaces, underscores and slashes, then at
    hyphens, and the vectors of the words that are found are averaged, as ML-GCN and
    MSRN do. Where a label has synonyms, the first one of which some word is found
    stands for it, or the mean of all that are found.

    Shapes: L names to (L, D) float32; fewer rows with `missing="leave_out"`.

    Args:
        names: the labels, in order.
        vectors: word to vector (D,), as `load_word_vectors` gives them.
        missing: "raise" refuses labels none of whose words has a vector; "learn" gives
            each a random one, normal with the root mean square of the others (0.1
            and 300 numbers without others), for a model to learn from; "leave_out"
            gives the rows of the others only, which are the report's `with_vector`.
        replacements: label to other words for it, such as
            {"tvmonitor": "television monitor"}.
        synonyms: label to the names it goes by, such as {"cougar": ("cougar", "puma")},
            looked at instead of its own; a replacement comes before them.
        combine: "first" or "mean" of synonyms.
        seed: of the random vectors; each depends on its label's name, not its place.

    Raises:
        ValueError: listing all labels without a vector, if `missing` is "raise"; if an
            argument is out of its limits.

    Example:
        >>> vectors = {"traffic": np.array([1.0, 0.0]), "light": np.array([0.0, 1.0])}
        >>> array, report = embed_labels(["Traffic light", "light-blue"], vectors)
        >>> array.tolist(), dict(report.missing_words)
        ([[0.5, 0.5], [0.0, 1.0]], {'light-blue': ('blue',)})
    """
    for argument, value, allowed in (
        ("missing", missing, ("raise", "learn", "leave_out")),
        ("combine", combine, ("first", "mean")),
    ):
        if value not in allowed:
            raise ValueError(
                f"`{argument}` must be one of {allowed}; got {argument}={value!r}."
            )
    if not len(names):
        raise ValueError("`names` must hold a label; got none.")
    replacements = dict(replacements or {})
    unknown = [label for label in replacements if label not in names]
    if unknown:
        raise ValueError(f"`replacements` must be of known labels; got {unknown}.")
    found: dict[str, tuple[str, ...]] = {}
    missing_words: dict[str, tuple[str, ...]] = {}
    means: dict[str, np.ndarray] = {}
    for name in names:
        own = replacements.get(name)
        choices = [own] if own else list((synonyms or {}).get(name) or [name])
        looked_up = [_look_up(choice, vectors) for choice in choices]
        if combine == "first":
            looked_up = [pair for pair in looked_up if pair[0]][:1] or looked_up
        found[name] = tuple(word for has, _ in looked_up for word in has)
        lacks = dict.fromkeys(word for _, lacks in looked_up for word in lacks)
        if lacks:
            missing_words[name] = tuple(lacks)
        parts = [_mean(has, vectors) for has, _ in looked_up if has]
        if parts:
            means[name] = np.mean(parts, axis=0)
    missing_labels = tuple(name for name in names if name not in means)
    if missing_labels and (missing == "raise" or (not means and missing != "learn")):
        raise ValueError(
            f"labels must have a word with a vector; {len(missing_labels)} of "
            f"{len(names)} have none: {', '.join(missing_labels)}. Name other words in "
            "`replacements`, or pass missing='learn' to learn their vectors."
        )
    size = _vector_size(vectors)
    scale = np.sqrt(np.mean([mean**2 for mean in means.values()])) if means else 0.1
    for name in missing_labels if missing == "learn" else ():
        random = np.random.default_rng([seed, zlib.crc32(name.encode())])
        means[name] = random.normal(scale=scale or 0.1, size=size)
    kept = [name for name in names if name in means]
    array = np.stack([means[name] for name in kept]).astype(np.float32)
    zero = tuple(np.asarray(kept)[~array.any(axis=1)].tolist())
    same = _same(kept, array)
    return array, WordReport(found, missing_words, missing_labels, same, zero)


def reduce_word_vectors(vectors: KeyedVectors, size: int) -> KeyedVectors:
    """Projects word vectors onto their directions of largest variance.

    All words count alike. The mean of the words becomes the origin, so that cosines
    change even where nothing of the variance is lost. The numbers are those of
    scikit-learn's PCA, each direction with its largest number positive.

    Args:
        vectors: as `load_word_vectors` gives them; left as they are.
        size: numbers of a new vector, at most as many as there are now, and as words.

    Raises:
        ValueError: if the size is out of its limits.

    Example:
        >>> vectors = train_word_vectors(["a red dress", "a blue dress"], size=8)
        >>> reduce_word_vectors(vectors, 2)["dress"].shape
        (2,)
    """
    words, array = vectors.index_to_key, vectors.vectors
    if not 1 <= size <= min(array.shape):
        raise ValueError(
            f"`size` must be from 1 to {min(array.shape)}, for {len(words)} words of "
            f"{array.shape[1]} numbers; got size={size}."
        )
    mean = array.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((array.shape[1],) * 2)
    for start in range(0, len(array), _BLOCK):
        block = array[start : start + _BLOCK] - mean
        covariance += block.T @ block
    directions = np.linalg.eigh(covariance)[1][:, : -size - 1 : -1]  # (D, size)
    largest = np.abs(directions).argmax(axis=0)
    directions *= np.sign(directions[largest, np.arange(size)])
    reduced = np.empty((len(array), size), np.float32)
    for start in range(0, len(array), _BLOCK):
        block = array[start : start + _BLOCK] - mean
        reduced[start : start + _BLOCK] = block @ directions
    return _keyed_vectors(list(words), reduced)


def centre_word_vectors(vectors: KeyedVectors, centre: np.ndarray) -> KeyedVectors:
    """Moves the origin of word vectors, for instance to the mean of the labels'.

    Label vectors have a direction in common, which makes some of them near to almost
    everything (hubs); without it their cosines tell them apart better.

    Args:
        vectors: as `load_word_vectors` gives them; left as they are.
        centre: (D,), the new origin.

    Raises:
        ValueError: if the centre has another size.

    Example:
        >>> vectors = train_word_vectors(["a red dress", "a blue dress"], size=8)
        >>> moved = centre_word_vectors(vectors, vectors.vectors.mean(axis=0))
        >>> bool(np.abs(moved.vectors.mean(axis=0)).max() < 1e-6)
        True
    """
    if np.shape(centre) != (vectors.vector_size,):
        raise ValueError(
            f"`centre` must have the {vectors.vector_size} numbers of the vectors; got "
            f"shape {np.shape(centre)}."
        )
    moved = vectors.vectors - np.asarray(centre, np.float32)
    return _keyed_vectors(list(vectors.index_to_key), moved)


def write_word_vectors(
    vectors: KeyedVectors, path: str | Path, *, most: int | None = 100_000
) -> None:
    """Writes word vectors as `.npz`, whole or not at all, for `load_word_vectors`.

    Args:
        vectors: as `load_word_vectors` gives them.
        path: the file, ending with .npz.
        most: only so many, the first ones; files list the frequent words first. None
            for all.

    Raises:
        ValueError: if the file has another suffix.

    Example:
        >>> import tempfile
        >>> vectors = train_word_vectors(["a red dress", "a blue dress"], size=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_word_vectors(vectors, f"{folder}/words.npz")
        ...     sorted(load_word_vectors(f"{folder}/words.npz").index_to_key)
        ['a', 'blue', 'dress', 'red']
    """
    if Path(path).suffix != ".npz":
        raise ValueError(f"`path` must end with .npz; got path={str(path)!r}.")
    words = tuple(vectors.index_to_key[:most])
    LabelVectors(words, vectors.vectors[: len(words)]).write(path)


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Gives each vector the length 1; a vector of zeros stays one.

    Shapes: (N, D) to (N, D) float32.

    Args:
        vectors: finite numbers of any size.

    Raises:
        ValueError: if they are not (N, D), or naming the first row that is not finite.

    Example:
        >>> unit_vectors(np.array([[3.0, 4.0], [0.0, 0.0]])).round(2).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    array = np.array(vectors, np.float32)
    if array.ndim != 2:
        raise ValueError(f"`vectors` must be (N, D); got shape {array.shape}.")
    for start in range(0, len(array), _BLOCK):
        block = array[start : start + _BLOCK]
        # Squares of very large and very small numbers would leave their range.
        largest = np.abs(block).max(axis=1, keepdims=True, initial=0)
        if not np.isfinite(largest).all():
            row = start + int(np.flatnonzero(~np.isfinite(largest[:, 0]))[0])
            raise ValueError(f"`vectors` must be finite; row {row} is not.")
        block /= np.where(largest > 0, largest, 1)
        length = np.sqrt(np.einsum("nd,nd->n", block, block))[:, None]
        block /= np.where(length > 0, length, 1)
    return array


def train_word_vectors(
    captions: Iterable[str],
    *,
    size: int = 100,
    window: int = 5,
    epochs: int = 10,
    seed: int = 0,
) -> KeyedVectors:
    """Trains Word2Vec on captions, so that words of like company get like vectors.

    Every word counts, however rare, as captions are few. The same captions and seed
    give the same vectors in every process: one thread, and no use of Python's own hash.

    Paper: Mikolov et al., "Distributed Representations of Words and Phrases and their
    Compositionality", NeurIPS 2013, skip-gram with negative sampling,
    https://arxiv.org/abs/1310.4546.

    Args:
        captions: texts; split into words at all but letters and digits, in lower case.
        size: numbers of a vector.
        window: words to either side that count as company.
        epochs: passes over the captions.
        seed: of the first vectors and of the sampling, 0 or above.

    Raises:
        ValueError: if the captions hold no word or an argument is out of its limits.

    Example:
        >>> captions = ["a red dress", "a red shirt", "a blue dress"]
        >>> vectors = train_word_vectors(captions, size=8, epochs=1)
        >>> vectors["dress"].shape, sorted(vectors.key_to_index)
        ((8,), ['a', 'blue', 'dress', 'red', 'shirt'])
    """
    for argument, value in (("size", size), ("window", window), ("epochs", epochs)):
        if value < 1:
            raise ValueError(
                f"`{argument}` must be at least 1; got {argument}={value}."
            )
    sentences = [re.findall(r"[^\W_]+", caption.lower()) for caption in captions]
    if not any(sentences):
        raise ValueError(
            f"`captions` must hold words; got {len(sentences)} captions without any."
        )
    from gensim.models import Word2Vec

    model = Word2Vec(
        sentences,
        vector_size=size,
        window=window,
        epochs=epochs,
        min_count=1,
        sg=1,
        sample=0,
        workers=1,
        seed=seed,
        hashfxn=_stable_hash,
    )
    return model.wv


@dataclass(frozen=True, eq=False)
class LabelVectors:
    """Holds the vectors of labels with the labels they are of.

    Args:
        names: the labels, in order.
        vectors: (L, D), as `embed_labels` gives them.

    Raises:
        ValueError: if there is not one finite vector per label.

    Example:
        >>> LabelVectors(("cat", "dog"), np.eye(2, 3)).vectors.shape
        (2, 3)
    """

    names: tuple[str, ...]
    vectors: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        vectors = np.asarray(self.vectors, dtype=np.float32)
        object.__setattr__(self, "vectors", vectors)
        if vectors.ndim != 2 or len(vectors) != len(self.names):
            raise ValueError(
                f"`vectors` must be ({len(self.names)}, D), one row per label; got "
                f"shape {vectors.shape}."
            )
        pairs = zip(self.names, vectors, strict=True)
        bad = [name for name, vector in pairs if not np.isfinite(vector).all()]
        if bad:
            raise ValueError(f"`vectors` must be finite; those of {bad} are not.")

    def write(self, path: str | Path) -> str:
        """Writes the vectors as `.npz`, whole or not at all, and gives their hash."""
        return write_arrays(path, self.names, {"vectors": self.vectors})

    @classmethod
    def read(
        cls, path: str | Path, *, names: Sequence[str] | None = None
    ) -> LabelVectors:
        """Reads what `write` wrote.

        Args:
            path: the `.npz` file. Pickles are refused.
            names: the labels that it must be of; any when None.

        Raises:
            ValueError: naming the file, if it is a pickle, is damaged, or is of other
                labels; then the first difference is named.
        """
        own, arrays = read_arrays(path, ["vectors"], names=names)
        try:
            return cls(own, arrays["vectors"])
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _download(name: str) -> Path:
    import gensim.downloader

    try:
        # With the path only: load() would run the code that comes with the vectors.
        return Path(gensim.downloader.load(name, return_path=True))
    except (ValueError, OSError) as error:
        raise ValueError(
            "`path_or_name` must be a file or a name that gensim.downloader knows and "
            f"can reach; got {name!r}: {error}."
        ) from error


def _refuse_other_formats(path: Path, magic: bytes) -> None:
    if not magic:
        raise ValueError(f"{path} must hold word vectors; it is empty.")
    pickled = magic[:1] == b"\x80" and magic[1:2] <= b"\x05"
    if pickled or path.suffix in {".pkl", ".pickle"}:
        raise ValueError(
            f"{path} must be a word2vec or GloVe file; it is a pickle, which runs code "
            "when it is opened. Convert it once where you trust it: "
            "gensim.models.KeyedVectors.load(path).save_word2vec_format('vectors.bin', "
            "binary=True); take .wv of a Word2Vec model."
        )
    if magic == b"PK\x03\x04":
        raise ValueError(
            f"{path} must be a word2vec or GloVe file; it is a zip archive. Unpack it "
            "and give the file inside."
        )


def _read(
    stream: io.BufferedReader, path: Path, largest: int, skip: bool
) -> tuple[list[str], np.ndarray]:
    first = stream.readline(_LONGEST_LINE)
    header = re.fullmatch(rb"\s*(\d+)[ \t]+(\d+)\s*", first)
    if header is None:
        stream.seek(0)
        return _read_text(stream, path, 1, None, skip)
    count, size = int(header[1]), int(header[2])
    if not 1 <= size <= _LONGEST_LINE:
        raise ValueError(f"{path}, line 1 must give the size of a vector; got {size}.")
    start = stream.tell()
    looks_binary = _looks_binary(stream.read(4 * size + 64))
    stream.seek(start)
    if looks_binary:
        if count * (4 * size + 2) > largest:
            raise ValueError(
                f"{path}, line 1 promises {count} vectors of {size} numbers, more than "
                "the file can hold. It is cut short or not a word2vec file."
            )
        return _read_binary(stream, path, count, size)
    words, vectors = _read_text(stream, path, 2, size, skip)
    if len(words) != count and not skip:
        raise ValueError(
            f"{path}, line 1 promises {count} vectors; the file holds {len(words)}."
        )
    return words, vectors


def _looks_binary(data: bytes) -> bool:
    """Finds bytes that no text has, but numbers in binary do."""
    if any(byte < 32 and byte not in b"\t\r\n" for byte in data):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return True
    return False


def _read_text(
    stream: io.BufferedReader, path: Path, first: int, size: int | None, skip: bool
) -> tuple[list[str], np.ndarray]:
    words: dict[str, int] = {}
    numbers = bytearray()  # grows in place, where a list of rows would be held twice
    skipped: list[str] = []
    lines = iter(lambda: stream.readline(_LONGEST_LINE), b"")
    for number, line in enumerate(lines, start=first):
        if not line.strip():
            continue
        try:
            word, vector = _parse(line, size)
            if word in words:
                raise ValueError(f"repeats the word {word!r} of line {words[word]}")
        except ValueError as error:
            sentence = f"{path}, line {number} {error}."
            if not skip:
                raise ValueError(sentence) from None
            skipped.append(sentence)
            continue
        size = len(vector)
        words[word] = number
        numbers += vector.tobytes()
    if skipped:
        _logger.warning("skipped %d lines; the first: %s", len(skipped), skipped[0])
    vectors = np.frombuffer(numbers, np.float32).reshape(len(words), size or 0)
    return list(words), vectors


def _parse(line: bytes, size: int | None) -> tuple[str, np.ndarray]:
    if size is None:
        text, *numbers = line.split()
    else:
        text, *numbers = line.rstrip().rsplit(None, size)
        extra = text.split()[1:]
        if len(numbers) < size or any(map(_is_number, extra)):
            given = len(line.split()) - 1
            raise ValueError(f"must give {size} numbers; it gives {given}")
    if not numbers:
        raise ValueError("must be a word and numbers; it has no number")
    try:
        vector = np.array(numbers, dtype=np.float32)
    except ValueError:
        bad = next(n for n in numbers if not _is_number(n))
        raise ValueError(f"must give numbers; got {_shown(bad)}") from None
    if not np.isfinite(vector).all():
        bad = numbers[int(np.flatnonzero(~np.isfinite(vector))[0])]
        raise ValueError(f"must give finite numbers; got {_shown(bad)}")
    return _decoded(text), vector


def _read_binary(
    stream: io.BufferedReader, path: Path, count: int, size: int
) -> tuple[list[str], np.ndarray]:
    words: dict[str, int] = {}
    vectors = np.empty((count, size), np.float32)
    for index in range(count):
        record = f"{path}, vector {index + 1} of {count}"
        text = _until_space(stream)
        data = stream.read(4 * size)
        if len(data) < 4 * size:
            raise ValueError(f"{record} is cut short: the file ends within it.")
        vectors[index] = np.frombuffer(data, "<f4")
        try:
            word = _decoded(text)
            if word in words:
                raise ValueError(f"repeats the word {word!r} of vector {words[word]}")
            if not np.isfinite(vectors[index]).all():
                raise ValueError(f"({word!r}) must give finite numbers; it does not")
        except ValueError as error:
            raise ValueError(f"{record} {error}.") from None
        words[word] = index + 1
    return list(words), vectors


def _until_space(stream: io.BufferedReader) -> bytes:
    text = bytearray()
    while (byte := stream.read(1)) not in (b" ", b"") and len(text) < _LONGEST_LINE:
        text += byte
    return bytes(text).lstrip(b"\n")  # some writers end a vector with a line break


def _decoded(text: bytes) -> str:
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


def _shown(text: bytes) -> str:
    return repr(text[:40].decode("utf-8", "replace"))


def _keyed_vectors(words: list[str], vectors: np.ndarray) -> KeyedVectors:
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(vectors.shape[1])
    # add_vectors would copy what may be half of the memory.
    keyed.vectors = vectors
    keyed.index_to_key = words
    keyed.next_index = len(words)
    keyed.key_to_index = {word: index for index, word in enumerate(words)}
    return keyed


def _look_up(
    name: str, vectors: KeyedVectors | Mapping[str, np.ndarray]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    whole = _key(
        [name, re.sub(r"[\s_]+", " ", name), re.sub(r"\s+", "_", name)], vectors
    )
    if whole is not None:
        return (whole,), ()
    found: list[str] = []
    missing: list[str] = []
    for part in re.split(r"[\s_/]+", name):
        joined = _key([part], vectors)
        for word in [part] if joined else part.split("-"):
            key = _key([word], vectors)
            if key is not None:
                found.append(key)
            elif word:
                missing.append(word)
    return tuple(found), tuple(missing)


def _key(
    spellings: Sequence[str], vectors: KeyedVectors | Mapping[str, np.ndarray]
) -> str | None:
    for spelling in [*spellings, *(spelling.lower() for spelling in spellings)]:
        if spelling in vectors:
            return spelling
    return None


def _vector_size(vectors: KeyedVectors | Mapping[str, np.ndarray]) -> int:
    if isinstance(vectors, Mapping):
        return len(next(iter(vectors.values()), range(_LEARNED_SIZE)))
    return vectors.vector_size


def _mean(
    words: Sequence[str], vectors: KeyedVectors | Mapping[str, np.ndarray]
) -> np.ndarray:
    own = np.stack([vectors[word] for word in words]).astype(np.float64)
    mean: np.ndarray = own.mean(axis=0)
    return mean


def _same(names: Sequence[str], array: np.ndarray) -> tuple[tuple[str, ...], ...]:
    labels: dict[bytes, list[str]] = {}
    for name, vector in zip(names, array, strict=True):
        labels.setdefault(vector.tobytes(), []).append(name)
    return tuple(tuple(same) for same in labels.values() if len(same) > 1)


def _stable_hash(word: str) -> int:
    return zlib.crc32(word.encode())
