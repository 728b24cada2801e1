"""Atomic writing of files and folders: completely or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Returns a temporary path that replaces `path` when the context ends.

    A crash or an error within the context leaves the old file or folder unchanged. The
    new file or folder is flushed to the disk before it gets its name.

    Args:
        path: the file or folder to write. Its parent is created if missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("complete")
        ...     (Path(folder) / "a.txt").read_text()
        'complete'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    remove(temporary)
    try:
        yield temporary
        flush(temporary)
        replace(temporary, path)
    finally:
        remove(temporary)


def replace(new: Path, old: Path) -> None:
    """Replaces a file or folder by another; a crash leaves at most one of them."""
    if not old.is_dir():
        new.replace(old)
        return
    aside = old.with_name(f".{old.name}.{os.getpid()}.replaced")
    remove(aside)
    old.rename(aside)
    new.rename(old)
    remove(aside)


def flush(path: Path) -> None:
    """Flushes a file, or every file of a folder, to the disk."""
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())


def remove(path: Path) -> None:
    """Removes a file, a link or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
