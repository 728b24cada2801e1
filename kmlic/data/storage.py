"""Files on a disk, or in a store such as gs:// or s3://, as TensorFlow reads them."""

import codecs
import contextlib
import io
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from kmlic.require_paths import require_paths

# TensorFlow, whose import takes seconds, is imported for stores only.
_MAX_TEXT_BYTES = 2 * 1024**3
# Of a folder that links lead to: folders that link to each other have many paths.
_MOST_VISITS = 16


def join(root: str | Path, path: str) -> str:
    """Joins a folder, which may be in a store, and a relative path.

    Example:
        >>> join("gs://bucket/photos", "a.jpg")
        'gs://bucket/photos/a.jpg'
    """
    return os.path.join(os.fspath(root), path)  # noqa: PTH118 - keeps gs://


def parent(path: str | Path) -> str:
    """Returns the folder of a file.

    Example:
        >>> parent("gs://bucket/photos/labels.csv")
        'gs://bucket/photos'
    """
    return os.path.dirname(os.fspath(path)) or "."  # noqa: PTH120 - keeps gs://


def is_file(path: str | Path) -> bool:
    """Returns whether there is a file.

    Raises:
        ValueError: if there is a named pipe or a device, or TensorFlow does not know
            the store or may not read it.
    """
    if _is_local(path):
        if not Path(path).exists():
            return False
        require_paths(path)
        return not Path(path).is_dir()
    return not is_folder(path) and _ask("exists", path)


def is_folder(path: str | Path) -> bool:
    """Returns whether there is a folder.

    Raises:
        ValueError: if TensorFlow does not know the store, or may not read it.
    """
    return Path(path).is_dir() if _is_local(path) else _ask("isdir", path)


class Files(NamedTuple):
    """Holds the files at all levels below a folder.

    Args:
        names: relative to the folder, in order.
        hidden: number of files left out because they or a folder above them is hidden.
        broken: links that lead to no file or folder.
    """

    names: list[str]
    hidden: int = 0
    broken: tuple[str, ...] = ()


def files_below(folder: str | Path) -> Files:
    """Lists the files at all levels below a folder that are not hidden.

    Links to folders are followed, but never back to a folder above them.

    Raises:
        ValueError: if the folder cannot be listed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b/a.jpg", "a.jpg", ".cache/a.jpg"):
        ...         (Path(folder) / name).parent.mkdir(exist_ok=True)
        ...         (Path(folder) / name).touch()
        ...     files_below(folder)
        Files(names=['a.jpg', 'b/a.jpg'], hidden=1, broken=())
    """
    root = os.fspath(folder).rstrip("/") + "/"
    broken: list[str] = []
    if not _is_local(folder):
        import tensorflow as tf

        try:
            found = [
                join(below, name).removeprefix(root)
                for below, _, names in tf.io.gfile.walk(root)
                for name in names
            ]
        except tf.errors.OpError as error:
            raise ValueError(
                f"{folder} must be readable; got {error.message}."
            ) from error
    else:
        walked = _walk(root, frozenset(), broken, Counter())
        found = [path.removeprefix(root) for path in walked]
    split = [(name.split("/"), name) for name in found]
    shown = [pair for pair in split if not any(map(_is_hidden, pair[0]))]
    return Files(
        [name for _, name in sorted(shown)],
        len(found) - len(shown),
        tuple(sorted(path.removeprefix(root) for path in broken)),
    )


def _walk(
    folder: str, above: frozenset[str], broken: list[str], visits: Counter[str]
) -> Iterator[str]:
    real = os.path.realpath(folder)
    linked = Path(folder).is_symlink()
    visits[real] += linked
    if real in above or (linked and visits[real] > _MOST_VISITS):
        return
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_dir():
            yield from _walk(f"{entry.path}/", above | {real}, broken, visits)
        elif entry.is_file():
            yield entry.path
        elif entry.is_symlink():
            broken.append(entry.path)


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def read_file(path: str | Path, *, max_bytes: int) -> bytes:
    """Reads a file that must exist and not be larger than a limit.

    Args:
        path: the file.
        max_bytes: largest size, checked before reading.

    Raises:
        ValueError: naming the file and the rule it breaks.

    Example:
        >>> read_file("gone.json", max_bytes=100)
        Traceback (most recent call last):
            ...
        ValueError: gone.json must exist; there is no such file.
    """
    if _is_local(path):
        return _read_local(Path(path), max_bytes)
    import tensorflow as tf

    try:
        if not tf.io.gfile.exists(path):
            raise ValueError(f"{path} must exist; there is no such file.")
        if tf.io.gfile.isdir(path):
            raise ValueError(f"{path} must be a file; it is a folder.")
        _check_size(path, tf.io.gfile.stat(path).length, max_bytes)
        return tf.io.gfile.GFile(path, "rb").read()
    except tf.errors.OpError as error:
        raise ValueError(f"{path} must be readable; got {error.message}.") from error


def read_lines(path: str | Path, *, hint: str = "") -> list[str]:
    """Reads the lines of a UTF-8 file, without spaces around them or empty last lines.

    Args:
        path: the file, of at most 2 GiB.
        hint: where the file comes from, for the error if it is missing.

    Raises:
        ValueError: naming the file, if it is missing, too large or not UTF-8.

    Example:
        >>> read_lines("gone.txt")
        Traceback (most recent call last):
            ...
        ValueError: gone.txt must exist; there is no such file.
    """
    if not is_file(path):
        raise ValueError(f"{path} must exist; there is no such file. {hint}".strip())
    try:
        text = read_file(path, max_bytes=_MAX_TEXT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be UTF-8 text; got {error}.") from error
    return [line.strip() for line in text.rstrip().splitlines()]


def open_text(path: str | Path) -> TextIO:
    """Opens a UTF-8 file line by line, or a UTF-16 one that begins with its mark.

    One in a store is read at once.
    """
    file = _open_bytes(path)
    start = file.read(2)
    file.seek(0)
    utf16 = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if utf16 else "utf-8-sig"
    return io.TextIOWrapper(file, encoding=encoding, newline="")


@contextlib.contextmanager
def explain_decoding_errors(path: str | Path) -> Iterator[None]:
    """Says which line of a file is not UTF-8 where reading it fails for that.

    Raises:
        ValueError: naming the file, the line and the byte.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        row, position = _find_undecodable(path)
        raise ValueError(
            f"{path} must be UTF-8 text; byte {position} in row {row} is not. Save it "
            "as UTF-8."
        ) from error


def _find_undecodable(path: str | Path) -> tuple[int, int]:
    """Returns the line and the position of the first byte that is not UTF-8."""
    position = 0
    with _open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return number, position + error.start
            position += len(line)
    return 0, position


def _open_bytes(path: str | Path) -> BinaryIO:
    if _is_local(path):
        require_paths(path)
        return Path(path).open("rb")
    import tensorflow as tf

    return io.BytesIO(tf.io.gfile.GFile(path, "rb").read())


def _read_local(path: Path, max_bytes: int) -> bytes:
    """Reads a file of this machine, whose name need not be UTF-8."""
    if not path.exists():
        raise ValueError(f"{path} must exist; there is no such file.")
    if path.is_dir():
        raise ValueError(f"{path} must be a file; it is a folder.")
    require_paths(path)
    try:
        _check_size(path, path.stat().st_size, max_bytes)
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} must be readable; got {error.strerror}.") from error


def _check_size(path: str | Path, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ValueError(
            f"{path} must have at most max_bytes={max_bytes:,} bytes; it has {size:,}."
        )


def _is_local(path: str | Path) -> bool:
    return "://" not in os.fspath(path)


def _ask(question: str, path: str | Path) -> bool:
    import tensorflow as tf

    try:
        return getattr(tf.io.gfile, question)(path)
    except tf.errors.OpError as error:
        raise ValueError(f"{path} must be reachable; got {error.message}.") from error
