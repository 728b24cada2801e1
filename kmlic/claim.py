"""The claim of one process on a file or folder that others may want to write too."""

import contextlib
import errno
import logging
import os
import socket
import time
from pathlib import Path
from typing import Self

import filelock

from kmlic.atomic_write import require_creatable

_log = logging.getLogger(__name__)

# From when on the lock of another host may be forgotten: a day.
_OLD_SECONDS = 24 * 3600
# What `flock` says on network stores that do not have it.
_NO_FLOCK = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)


class Claim(contextlib.AbstractContextManager["Claim"]):
    """Claims a path for this process until the context ends.

    The lock file `.<name>.lock` beside the path is locked with `flock`, which ends with
    the process. On a store without `flock` the existence of `.<name>.lock.pid` is the
    lock: it names host and process, and is taken over from a process of the same host
    that no longer runs. A process may claim a path several times.

    Whether a process of another host still runs cannot be known, so its lock is never
    removed; once it is a day old the error says how old it is and how to remove it.

    Args:
        path: the file or folder; its parent must exist.
        wait: whether to wait until another process releases its claim.

    Raises:
        ValueError: if another process has claimed the path, unless `wait`, or no lock
            can be created beside it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Claim(Path(folder) / "run") as claim:
        ...         print(claim.is_last, [file.name for file in Path(folder).iterdir()])
        ...     list(Path(folder).iterdir())
        True ['.run.lock']
        []
    """

    def __init__(self, path: Path, *, wait: bool = False):
        self.path = path
        self.wait = wait
        self._lock: filelock.BaseFileLock = filelock.FileLock(
            path.with_name(f".{path.name}.lock"),
            is_singleton=True,
            thread_local=False,
            fallback_to_soft=False,  # it would for ENOSYS only
        )

    @property
    def is_last(self) -> bool:
        """Returns whether this is the only claim that is left in this process."""
        return self._lock.lock_counter == 1

    def __enter__(self) -> Self:
        require_creatable(self.path)
        try:
            self._acquire()
        except OSError as error:
            if isinstance(error, TimeoutError) or error.errno not in _NO_FLOCK:
                raise
            file = Path(self._lock.lock_file)
            file.unlink(missing_ok=True)
            self._lock = filelock.SoftFileLock(
                f"{file}.pid", is_singleton=True, thread_local=False
            )
            self._acquire()
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_last and isinstance(self._lock, filelock.FileLock):
            # While it is locked: a process that opened it before notices.
            Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()

    def _acquire(self) -> None:
        file = Path(self._lock.lock_file)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            process, host = [*_read_lines(file), "?", "?"][:2]
            fact = (
                f"{self.path} is being written by another process ({process} on host "
                f"{host})."
            )
            age = _seconds_since_change(file)
            advice = ""
            if isinstance(self._lock, filelock.SoftFileLock) or (
                host not in ("?", socket.gethostname()) and age > _OLD_SECONDS
            ):
                advice = f" If it no longer runs, remove {file}."
            if advice and age > _OLD_SECONDS:
                advice = f" Its lock is {age / 3600:.0f} hours old.{advice}"
            if not self.wait:
                raise ValueError(
                    f"{fact} Wait until it has ended, or choose another folder.{advice}"
                ) from None
            _log.warning("%s Waiting until it has ended.%s", fact, advice)
            self._lock.acquire(timeout=-1)
        if isinstance(self._lock, filelock.FileLock):
            with contextlib.suppress(OSError):  # a full disk: others will not know who
                file.write_text(f"{os.getpid()}\n{socket.gethostname()}\n")


def _seconds_since_change(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return 0.0


def _read_lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
