"""Refuses paths that do not exist."""

from pathlib import Path


def require_paths(*paths: str | Path | None) -> None:
    """Raises an error for the first path of this machine that does not exist.

    Args:
        *paths: files and folders; None, and paths in a store such as gs://, pass.

    Raises:
        ValueError: naming the path.

    Example:
        >>> require_paths(None, "gs://bucket/labels.csv", "absent.csv")
        Traceback (most recent call last):
            ...
        ValueError: absent.csv must exist; there is no such file or folder.
    """
    for path in paths:
        if path and "://" not in str(path) and not Path(path).exists():
            raise ValueError(f"{path} must exist; there is no such file or folder.")
