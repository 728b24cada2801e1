"""The rows of a CSV, TSV or Parquet file."""

import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kmlic.data.image_row import Listing
from kmlic.data.progress import with_progress
from kmlic.data.read_label_names import read_label_names
from kmlic.data.read_table import read_table
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import (
    find_undecodable,
    is_file,
    join,
    open_text,
    parent,
    read_file,
)

_DELIMITERS = ",;\t"
_EXCEL = re.compile(r"\"?sep=([,;\t|])\"?\s*", re.IGNORECASE)  # a first line of Excel's
_BLOCK_BYTES = 2**20
_ROWS_A_BATCH = 8192
_MAX_PARQUET_BYTES = 2 * 1024**3
# Columns may unpack to 64 MB, or to 100 times their size; paths are unique, so each row
# takes some of the file.
_FREE_BYTES, _EXPANSION, _ROWS_A_BYTE = 64_000_000, 100, 8


def read_csv(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads the rows of a table, see `from_csv`.

    Args:
        path: a UTF-8 file whose cells are between commas, semicolons or tabs, or a
            Parquet file.
        reading: see `read_table`; without `label_names` the labels are in the order of
            a file classes.txt beside the table.

    Raises:
        ValueError: naming the file, the row and the rule.
    """
    if not is_file(path):
        raise ValueError(f"{path} must be a CSV file; there is no such file.")
    parquet = os.fspath(path).lower().endswith(".parquet")
    table = _read_parquet(path) if parquet else read_text_rows(path)
    folder = parent(path)
    try:
        root = folder if reading.root is None else reading.root
        listing = read_table(path, root, table, reading)
    except UnicodeDecodeError as error:
        row, position = find_undecodable(path)
        raise ValueError(
            f"{path} must be UTF-8 text; byte {position} in row {row} is not. Save it "
            "as UTF-8."
        ) from error
    except csv.Error as error:
        raise ValueError(f"{path} must be a CSV file; got {error}.") from error
    classes = join(folder, "classes.txt")
    if is_file(classes):
        listing = listing._replace(label_names=read_label_names(classes))
    return listing


def read_text_rows(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the line and the cells of each row of a table that is a text file."""
    with open_text(path) as file:
        first = file.readline()
    tabs = os.fspath(path).lower().endswith(".tsv")
    delimiter = "\t" if tabs else max(_DELIMITERS, key=first.count)
    excel = _EXCEL.fullmatch(first)
    delimiter = excel[1] if excel else delimiter
    with open_text(path) as file:
        if excel:
            file.readline()
        reader = csv.reader(
            file, delimiter=delimiter, strict=True, skipinitialspace=True
        )
        lines = _count_lines(path)
        before = 1 if excel else 0
        row = first_row = 1 + before
        try:
            for cells in with_progress(reader, f"reading {path}", lines):
                if any(cells) or row == first_row:  # spreadsheets add rows of nothing
                    yield row, cells
                row = reader.line_num + 1 + before
        except csv.Error as error:
            raise csv.Error(f"{error} in row {row}") from error


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
