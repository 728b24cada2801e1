"""Files and folders that are written completely or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Gives a path to write to, which takes the place of `path` once it is whole.

    A crash or an error inside leaves the old file or folder as it was. The new one may
    be a file or a folder; it is flushed to the disk before it gets its name.

    Args:
        path: the file or folder to write. Its parent is made when missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("whole")
        ...     (Path(folder) / "a.txt").read_text()
        'whole'
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
    """Puts a file or folder in the place of another, of which none or one remains."""
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
