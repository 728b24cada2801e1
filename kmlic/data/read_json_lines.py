"""The rows of a JSON lines file, such as metadata.jsonl of an image folder."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kmlic.data.image_row import Listing
from kmlic.data.read_coco import refuse_results
from kmlic.data.read_json import read_json
from kmlic.data.read_table import read_table
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import explain_decoding_errors, is_file, open_text, parent
from kmlic.data.table_cells import BLANK, MARKS, PRESENT, UNSURE, cell_text


def read_json_lines(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads a file with a JSON object of each image on a line, or a list of them.

    Keys are columns as in a table: file_name and labels, or a key for each label. An
    object may lack keys that others have. Labels may also be an object of names with 1,
    0, -1 or null each; a name that it lacks counts as `blank` says.

    Args:
        path: the file.
        reading: see `read_table`.

    Raises:
        ValueError: naming the file, the row and the rule.
    """
    if not is_file(path):
        raise ValueError(f"{path} must be a JSON lines file; there is no such file.")
    root = parent(path) if reading.root is None else reading.root
    with explain_decoding_errors(path):
        return read_table(path, root, _as_rows(path, reading), reading)


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
                    # The line of the error is counted within the row.
                    reason = getattr(error, "msg", error)
                    raise ValueError(
                        f"{path} row {row}: must be a JSON object; got {reason}."
                    ) from error
            if not isinstance(entry, dict):
                raise ValueError(
                    f"{path} row {row}: must be a JSON object; got a "
                    f"{type(entry).__name__}."
                )
            yield row, entry


def _as_rows(
    path: str | Path, reading: ReadingOptions
) -> Iterator[tuple[int, list[Any]]]:
    """Yields the keys of all objects, and then the values of each."""
    first = next((entry for _, entry in _read_objects(path)), None)
    refuse_results(path, [first])
    # The file is read twice: the key of a rare label may occur in its last lines only.
    header: dict[str, dict[str, None]] = {}
    for _, entry in _read_objects(path):
        for key, value in entry.items():
            names = header.setdefault(key, {})
            if _holds_marks(value):
                names.update(dict.fromkeys(value))
    yield 1, list(header)
    for row, entry in _read_objects(path):
        cells = (_cell(entry.get(key), names, reading) for key, names in header.items())
        yield row, list(cells)


def _holds_marks(value: Any) -> bool:
    marks = value.values() if isinstance(value, dict) else ()
    return len(marks) > 0 and all(cell_text(mark) in MARKS for mark in marks)


def _cell(value: Any, names: Iterable[str], reading: ReadingOptions) -> Any:
    if _holds_marks(value):
        marks = {name: MARKS[cell_text(value.get(name))] for name in names}
        unknown = {UNSURE, *((BLANK,) if reading.blank == "unknown" else ())}
        present = [name for name, mark in marks.items() if mark == PRESENT]
        return present + [f"?{n}" for n, mark in marks.items() if mark in unknown]
    if isinstance(value, dict):
        value = value.get("choices", value)
    return json.dumps(value) if isinstance(value, dict) else value
