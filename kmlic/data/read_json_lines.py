"""The rows of a JSON lines file, such as metadata.jsonl of an image folder."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kmlic.data.image_row import Listing
from kmlic.data.read_coco import refuse_results
from kmlic.data.read_json import read_json
from kmlic.data.read_table import read_table
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import decoding_errors, is_file, open_text, parent


def read_json_lines(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads a file with a JSON object of each image on a line, or a list of them.

    Keys are columns as in a table: file_name and labels, or a key for each label. An
    object may lack keys that others have.

    Args:
        path: the file.
        reading: see `read_table`.

    Raises:
        ValueError: naming the file, the row and the rule.
    """
    if not is_file(path):
        raise ValueError(f"{path} must be a JSON lines file; there is no such file.")
    root = parent(path) if reading.root is None else reading.root
    with decoding_errors(path):
        return read_table(path, root, _as_rows(path), reading)


def _read_objects(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_text(path) as file:
        if file.read(1024).lstrip().startswith("["):
            entries = enumerate(read_json(path), start=1)
        else:
            file.seek(0)
            entries = enumerate(file, start=1)
        for row, entry in entries:
            if isinstance(entry, str):
                if not entry.strip():
                    continue
                try:
                    entry = json.loads(entry)
                except (ValueError, RecursionError) as error:
                    raise ValueError(
                        f"{path} row {row}: must be a JSON object; got {error}."
                    ) from error
            if not isinstance(entry, dict):
                raise ValueError(
                    f"{path} row {row}: must be a JSON object; got a "
                    f"{type(entry).__name__}."
                )
            yield row, entry


def _as_rows(path: str | Path) -> Iterator[tuple[int, list[Any]]]:
    """Yields the keys of all objects, and then the values of each."""
    first = next((entry for _, entry in _read_objects(path)), None)
    refuse_results(path, [first])
    # The file is read twice: the key of a rare label may occur in its last lines only.
    header = list(
        dict.fromkeys(key for _, entry in _read_objects(path) for key in entry)
    )
    yield 1, header
    for row, entry in _read_objects(path):
        yield row, [_cell(entry.get(key)) for key in header]


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        value = value.get("choices", value)
    return json.dumps(value) if isinstance(value, dict) else value
