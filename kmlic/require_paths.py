"""Refuses paths that do not exist or cannot be read."""

import stat
from pathlib import Path

# Reading a pipe or a device can wait for ever.
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def require_paths(*paths: str | Path | None) -> None:
    """Raises an error for the first path of this machine that cannot be read.

    Args:
        *paths: files and folders; None, and paths in a store such as gs://, pass.

    Raises:
        ValueError: naming the path, if there is nothing, or neither a file nor a
            folder but for instance a named pipe.

    Example:
        >>> require_paths(None, "gs://bucket/labels.csv", "absent.csv")
        Traceback (most recent call last):
            ...
        ValueError: absent.csv must exist; there is no such file or folder.
    """
    for path in paths:
        if path is None or "://" in str(path):
            continue
        if not str(path):
            raise ValueError("A path must name a file or folder; got an empty one.")
        if not Path(path).exists():
            raise ValueError(f"{path} must exist; there is no such file or folder.")
        kind = _KINDS.get(stat.S_IFMT(Path(path).stat().st_mode))
        if kind is not None:
            raise ValueError(f"{path} must be a file or folder; it is {kind}.")
