"""Atomic writing of files and folders: completely or not at all."""

import contextlib
import csv
import ctypes
import errno
import functools
import logging
import os
import re
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_log = logging.getLogger(__name__)

# In a folder that is about to replace another one: tells the two apart.
_NEW = ".new"
# The hidden name of what is being written: host, process and the name's ending.
_PARTIAL = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)\.partial(\..*)?", re.DOTALL)
_OLD_HOURS = 24
_BLOCK = 4096
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Bytes that hidden names beside a file or folder add to its name.
_HIDDEN = 32
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # fcntl.h and linux/fs.h


@contextlib.contextmanager
def atomic_write(
    path: str | Path,
    *,
    folder_with: str | None = None,
    column: str | None = None,
    files: Sequence[str] = (),
) -> Iterator[Path]:
    """Returns a temporary path that replaces `path` when the context ends.

    A crash or an error within the context leaves the old file or folder unchanged. The
    new file or folder is flushed to the disk before it gets its name. If `path` is a
    link, what it refers to is replaced.

    Args:
        path: the file or folder to write. Its parent is created if missing.
        folder_with: see `require_writable`.
        column: see `require_writable`.
        files: see `require_writable`.

    Raises:
        ValueError: see `require_writable`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("complete")
        ...     (Path(folder) / "a.txt").read_text()
        'complete'
    """
    require_writable(path, folder_with=folder_with, column=column, files=files)
    path = follow_link(path)
    with temporary_path(path) as temporary:
        if folder_with is not None:
            recover(path)
        yield temporary
        flush(temporary)
        require_writable(path, folder_with=folder_with, column=column, files=files)
        move_to(temporary, path)


def require_writable(
    path: str | Path,
    *,
    folder_with: str | None = None,
    column: str | None = None,
    files: Sequence[str] = (),
    suffixes: Sequence[str] = (),
    inputs: Iterable[str | Path | None] = (),
) -> None:
    """Raises ValueError unless a file or folder may be written to a path.

    A file never replaces a folder, nor a folder a file. A folder is only replaced if it
    is empty or has the file that marks it as written by kmlic; with `column` or `files`
    only if it holds nothing else than they name.

    Args:
        path: what is to be written.
        folder_with: None to write a file; to write a folder, the file that an existing
            one must hold, such as run.json.
        column: the column of `folder_with`, a CSV file, that lists the other files of
            the folder.
        files: names of the other files of the folder. Without them and `column` it is
            replaced whatever else it holds.
        suffixes: endings of which the name must have one; any when empty. So a report
            never replaces an image.
        inputs: files that are read, and are not to be replaced.

    Raises:
        ValueError: naming the path and what is there.

    Example:
        >>> require_writable("/")
        Traceback (most recent call last):
        ValueError: / must be a file or not exist yet; it is a folder.
    """
    require_creatable(path)
    given, path = path, follow_link(path)
    if folder_with is None:
        rule, allowed = "a file or not exist yet", path.is_file()
    else:
        rule = f"a folder that is new, empty or has a {folder_with}"
        allowed = path.is_dir() and (
            (path / folder_with).is_file() or not any(path.iterdir())
        )
    exists = os.path.lexists(path)
    if exists and allowed and folder_with is not None and column is not None:
        rule = f"{folder_with} and the files that it lists"
        _require_only(
            given, path, [folder_with, *_listed(path / folder_with, column)], rule
        )
    elif exists and allowed and folder_with is not None and files:
        names = sorted({folder_with, *files})
        _require_only(given, path, names, " and ".join(names))
    if exists and not allowed:
        kind = "a file" if path.is_file() else "neither a file nor a folder"
        if path.is_dir():
            kind = "a folder" if folder_with is None else "a folder with other files"
        raise ValueError(f"{given} must be {rule}; it is {kind}.")
    if suffixes and not {Path(given).suffix, path.suffix} <= set(suffixes):
        raise ValueError(f"{given} must end with {' or '.join(suffixes)}.")
    for each in inputs if exists else ():
        if each is not None and Path(each).exists() and path.samefile(each):
            raise ValueError(f"{given} must not be a file that is read.")


def _listed(listing: Path, column: str) -> list[str]:
    """Returns the files that a listing names."""
    listed: list[str] = []
    # One that somebody has changed may not be a CSV file any more.
    with (
        contextlib.suppress(FileNotFoundError, ValueError, csv.Error),
        listing.open(encoding="utf-8", newline="") as file,
    ):
        listed += (row[column] for row in csv.DictReader(file) if row.get(column))
    return listed


def _require_only(
    given: str | Path, path: Path, names: Sequence[str], rule: str
) -> None:
    """Raises an error if a folder holds anything else than files of given names."""
    others = sorted(
        entry.name
        for entry in os.scandir(path)
        if entry.name not in (*names, _NEW) or not entry.is_file(follow_symlinks=False)
    )
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise ValueError(
            f"{given} must be empty or new, or hold only {rule}; it also holds "
            f"{others[0]}{more}. Move that away, or name an empty or new folder."
        )


def require_creatable(path: str | Path) -> None:
    """Raises an error unless files can be created beside a path, with its name.

    Args:
        path: a file or folder; parents that are missing would be created.

    Raises:
        ValueError: naming the folder that cannot be written to, or the longest name.

    Example:
        >>> require_creatable("/dev/null/run")
        Traceback (most recent call last):
            ...
        ValueError: /dev/null/run must be in a folder; /dev/null is not a folder.
    """
    given, path = path, follow_link(path)
    parent = next(filter(os.path.lexists, path.parents), path)
    if not parent.is_dir():
        raise ValueError(f"{given} must be in a folder; {parent} is not a folder.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise ValueError(
            f"{given} must be writable; you have no permission to write in {parent}."
        )
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:  # such as /proc, where a permission is not enough
        raise ValueError(
            f"{given} must be writable; no file can be created in {parent} "
            f"({error.strerror}). Choose another folder."
        ) from error
    longest = os.pathconf(parent, "PC_NAME_MAX") - _HIDDEN
    length = len(os.fsencode(path.name))
    if length > longest:
        raise ValueError(
            f"{given} must have a name of at most {longest} bytes; it has {length}. "
            "Choose a shorter one."
        )


@contextlib.contextmanager
def temporary_path(path: Path) -> Iterator[Path]:
    """Returns a hidden path beside `path` and removes it when the context ends.

    What processes of this machine that no longer run left in that folder is removed
    first. A warning names what one of another machine left a day ago or earlier.

    Raises:
        OSError: naming the path, if the disk is full.
    """
    with parents_of(path):
        owner = f"{zlib.crc32(socket.gethostname().encode()):08x}"
        for entry in os.scandir(path.parent):
            found = _PARTIAL.fullmatch(entry.name)
            if found and found[1] != owner:
                _warn_if_old(Path(entry.path))
            elif found and not _is_running(int(found[2])):
                remove(Path(entry.path))
        name = f".{path.stem}.{owner}-{os.getpid()}.partial{path.suffix}"
        temporary = path.with_name(name)
        remove(temporary)
        try:
            yield temporary
        except Exception as error:
            if _is_of_a_full_disk(error, path.parent):
                raise OSError(
                    f"{path} could not be written: there is no space left on its disk, "
                    "or a limit of the size of files is reached. What was there is "
                    "unchanged."
                ) from error
            raise
        finally:
            remove(temporary)


@contextlib.contextmanager
def parents_of(path: Path) -> Iterator[None]:
    """Creates the parents of a path; those still empty at the end are removed."""
    missing = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for parent in missing:
            with contextlib.suppress(OSError):
                parent.rmdir()


def move_to(new: Path, path: Path) -> None:
    """Moves a file or folder to a path and removes what was there.

    Where the system can exchange two names, one of both folders is at `path` at any
    time. Elsewhere a crash may leave neither there, until `recover`.
    """
    if new.is_dir() and path.is_dir() and any(path.iterdir()):
        (new / _NEW).touch()
        new.rename(_beside(path, "moving"))
        recover(path)
    else:
        new.replace(path)


def recover(path: Path) -> None:
    """Completes a `move_to` that a crash interrupted."""
    moving, replaced = _beside(path, "moving"), _beside(path, "replaced")
    if (moving / _NEW).exists() and not (path.exists() and _exchange(moving, path)):
        if path.exists():
            remove(replaced)
            path.rename(replaced)
        moving.rename(path)
    if path.is_dir():
        (path / _NEW).unlink(missing_ok=True)
    remove(moving)
    remove(replaced)


def follow_link(path: str | Path) -> Path:
    """Returns what a link refers to, and any other path unchanged."""
    path = Path(path)
    nameless = path.name in ("", "..")
    return path.resolve() if nameless or path.is_symlink() else path


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


def _beside(path: Path, purpose: str) -> Path:
    return path.with_name(f".{path.name}.{purpose}")


def _exchange(first: Path, second: Path) -> bool:
    """Exchanges the names of two folders, if the system can, at once."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    names = (os.fsencode(first), os.fsencode(second))
    failed = renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    return not failed


def _is_of_a_full_disk(error: Exception, folder: Path) -> bool:
    if getattr(error, "errno", None) in _FULL:
        return True
    # Libraries raise errors of their own, with the system's text or without.
    if isinstance(error, RuntimeError) and shutil.disk_usage(folder).free < _BLOCK:
        return True
    return any(os.strerror(number) in str(error) for number in _FULL)


@functools.cache  # once for each
def _warn_if_old(partial: Path) -> None:
    with contextlib.suppress(OSError):  # no longer there
        hours = (time.time() - partial.stat().st_mtime) / 3600
        if hours > _OLD_HOURS:
            _log.warning(
                "Another machine began to write %r %.0f hours ago. If it no longer "
                "does, remove that file or folder.",
                os.fspath(partial),  # as text: with escapes
                hours,
            )


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        pass
    return True
