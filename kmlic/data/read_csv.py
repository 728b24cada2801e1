"""A dataset of a table of image paths and labels."""

import csv
import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.progress import with_progress
from kmlic.data.read_label_names import read_label_names
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import is_file, join, open_text, parent, read_file

_OPTIONAL = ("split", "caption", "group")
# What `kmlic train` cuts out of each image; never labels.
_CORNERS = ("x1", "y1", "x2", "y2")
_NO_LABELS = ("path", "labels", *_OPTIONAL, *_CORNERS)
# With what pandas writes for 1, 0 and -1 when a column has gaps.
_MARKS = {
    **dict.fromkeys(("1", "1.0", "true"), 1),
    **dict.fromkeys(("0", "0.0", "false"), 0),
    **dict.fromkeys(("", "-1", "-1.0"), -1),
}
_BLOCK_BYTES = 2**20
_ROWS_A_BATCH = 8192
_MAX_PARQUET_BYTES = 2 * 1024**3
# Columns may unpack to 64 MB, or to 100 times their size; paths are unique, so each row
# takes some of the file.
_FREE_BYTES, _EXPANSION, _ROWS_A_BYTE = 64_000_000, 100, 8

_Marks = tuple[tuple[str, ...], tuple[str, ...]]  # labels present, labels unknown

_log = logging.getLogger(__name__)


def read_csv(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads the rows of a table, see `from_csv`."""
    separator = "|" if reading.separator is None else reading.separator
    if not is_file(path):
        raise ValueError(f"{path} must be a CSV file; there is no such file.")
    parquet = os.fspath(path).endswith(".parquet")
    table = _read_parquet(path) if parquet else _read_text(path)
    try:
        _, header = next(table)
        names = _label_columns(header, path)
        reader = _RowReader(header, names, separator)
        rows = [reader.read(line, cells) for line, cells in table]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be UTF-8 text; byte {error.start} is not. Save it as UTF-8."
        ) from error
    except csv.Error as error:
        raise ValueError(f"{path} must be a CSV file; got {error}.") from error
    folder = parent(path) if reading.root is None else reading.root
    classes = join(parent(path), "classes.txt")
    if reading.label_names is None and is_file(classes):
        names = read_label_names(classes)
    return Listing(rows, path, folder, names)


def _read_text(path: str | Path) -> Iterator[tuple[int, list[Any]]]:
    with open_text(path) as file:
        tabs = os.fspath(path).endswith(".tsv")
        reader = csv.reader(file, delimiter="\t" if tabs else ",", strict=True)
        yield 1, next(reader, [])
        lines = _count_lines(path)
        try:
            for cells in with_progress(reader, f"reading {path}", lines):
                if cells:
                    yield reader.line_num, cells
        except csv.Error as error:
            raise csv.Error(f"{error} in row {reader.line_num}") from error


def _count_lines(path: str | Path) -> int | None:
    """Counts the lines after the first; not in a store, which would send them all."""
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        blocks = iter(lambda: file.read(_BLOCK_BYTES), b"")
        return sum(block.count(b"\n") for block in blocks) - 1


def _read_parquet(path: str | Path) -> Iterator[tuple[int, list[Any]]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ImportError(
            f"{path} needs pyarrow. Install it with: pip install kmlic[data]"
        ) from error
    content = read_file(path, max_bytes=_MAX_PARQUET_BYTES)
    try:
        table = parquet.ParquetFile(io.BytesIO(content))
        _check_parquet(path, table.metadata, len(content))
        header = table.schema_arrow.names
        yield 1, header
        line = 1
        for batch in table.iter_batches(_ROWS_A_BATCH):
            columns = [column.to_pylist() for column in batch.columns]
            for cells in zip(*columns, strict=True):
                line += 1
                yield line, [_as_text(cell) for cell in cells]
    except ArrowException as error:
        raise ValueError(f"{path} must be a Parquet file; got {error}.") from error


def _check_parquet(path: str | Path, metadata: Any, size: int) -> None:
    """Refuses rows and columns that unpack to much more than the file holds."""
    rows = metadata.num_rows
    if rows > _ROWS_A_BYTE * size:
        raise ValueError(
            f"{path} must hold its rows; it declares {rows:,} in {size:,} bytes."
        )
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        for number in range(group.num_columns):
            column = group.column(number)
            stored = min(column.total_compressed_size, size)
            unpacked = column.total_uncompressed_size
            if unpacked > max(_FREE_BYTES, _EXPANSION * stored):
                raise ValueError(
                    f"{path} must hold its columns; {column.path_in_schema} unpacks "
                    f"from {stored:,} to {unpacked:,} bytes."
                )


def _as_text(cell: Any) -> Any:
    if isinstance(cell, list):
        return ["" if each is None else str(each) for each in cell]
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return "" if cell is None else str(cell)


def _label_columns(header: Sequence[str], path: str | Path) -> tuple[str, ...] | None:
    """Returns the columns that are labels, None if one column holds them all."""
    if "path" not in header:
        raise ValueError(
            f"{path} row 1: the header must name the columns path and labels; "
            f"'path' is missing in {list(header)}."
        )
    if len(set(header)) < len(header):
        raise ValueError(
            f"{path} row 1: a column must be named once; got {list(header)}."
        )
    others = tuple(n for n in header if n not in _NO_LABELS)
    if "labels" not in header:
        if not others:
            raise ValueError(
                f"{path} row 1: the header must name the column labels, or one column "
                f"for each label; it has {list(header)}."
            )
        return others
    if others:
        _log.warning("%s: the columns %s are not used", path, list(others))
    return None


class _RowReader:
    """Reads cells into rows, with one copy only of the name of each label."""

    def __init__(
        self, header: Sequence[str], columns: tuple[str, ...] | None, separator: str
    ):
        self._index = {name: index for index, name in enumerate(header)}
        self._columns = columns
        self._separator = separator

    def read(self, line: int, cells: list[Any]) -> ImageRow:
        path = cells[self._index["path"]] if self._index["path"] < len(cells) else ""
        try:
            if len(cells) != len(self._index):
                raise ValueError(
                    f"a row must have {len(self._index)} cells "
                    f"{_shortened(list(self._index))}; got {len(cells)}"
                )
            row = dict(zip(self._index, cells, strict=True))
            read = self._by_column if self._columns else self._by_list
            present, unknown = read(row)
        except ValueError as error:
            return ImageRow(line, path, problem=str(error))
        others = (row.get(name, "") for name in _OPTIONAL)
        return ImageRow(line, path, present, unknown, *others)

    def _by_list(self, row: dict[str, Any]) -> _Marks:
        value = row["labels"]
        parts = value if isinstance(value, list) else value.split(self._separator)
        names = [part.strip() for part in parts]
        if names == [""]:
            names = []
        if not all(name.removeprefix("?") for name in names):
            raise ValueError(f"labels must not be empty; got {value!r}")
        present = tuple(sys.intern(n) for n in names if not n.startswith("?"))
        return present, tuple(sys.intern(n[1:]) for n in names if n[0] == "?")

    def _by_column(self, row: dict[str, Any]) -> _Marks:
        marks: dict[int, list[str]] = {1: [], 0: [], -1: []}
        for name in self._columns or ():
            mark = _MARKS.get(str(row[name]).strip().lower())
            if mark is None:
                raise ValueError(
                    f"the label {name!r} must be 1, 0, -1 or empty; got {row[name]!r}"
                )
            marks[mark].append(name)
        return tuple(marks[1]), tuple(marks[-1])


def _shortened(header: list[str]) -> str:
    return str(header) if len(header) <= 10 else f"[{', '.join(header[:10])}, ...]"
