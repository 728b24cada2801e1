"""The content of a JSON file."""

import json
from pathlib import Path
from typing import Any

from kmlic.data.storage import is_file, read_file

_MAX_BYTES = 2 * 1024**3


def read_json(path: str | Path) -> Any:
    """Reads a JSON file of at most 2 GiB.

    Raises:
        ValueError: naming the file, if it is missing or not JSON.

    Example:
        >>> read_json("gone.json")
        Traceback (most recent call last):
            ...
        ValueError: gone.json must be a JSON file; there is no such file.
    """
    if not is_file(path):
        raise ValueError(f"{path} must be a JSON file; there is no such file.")
    try:
        return json.loads(read_file(path, max_bytes=_MAX_BYTES).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if str(error).startswith(f"{path} "):  # already says what and why
            raise
        raise ValueError(f"{path} must be a JSON file; got {error}.") from error
