"""The rows of a CSV, TSV or Parquet file."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kmlic.data.image_row import Listing
from kmlic.data.read_label_names import read_label_names
from kmlic.data.read_table import read_table
from kmlic.data.read_text_rows import read_text_rows
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import is_file, join, parent, read_file
from kmlic.require_extra import require_extra

_ROWS_A_BATCH = 8192
_MAX_PARQUET_BYTES = 2 * 1024**3
# Columns may unpack to 64 MB, or to 100 times their size; paths are unique, so each row
# takes some of the file.
_FREE_BYTES, _EXPANSION, _ROWS_A_BYTE = 64_000_000, 100, 8


def read_csv(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads a table of images and labels; an image has the labels of all its rows.

    Columns: path (or filename, image, id and the like), labels (or tags, label and the
    like; joined by the separator, empty for an image without labels, `?name` for an
    unknown label), and optionally split (train, validation or test), is_valid, caption,
    and group (images of one group stay in one split). Without a column of labels, every
    other column that holds marks is a label: 1 present, 0 absent, -1 unknown, empty as
    `blank` says. Columns that are not used are a finding. A table without a header has
    a path and, behind it, labels in each row. The columns ImageID, LabelName and
    Confidence are those of Open Images: labels that an image does not list are unknown.

    Args:
        path: a UTF-8 file whose cells are between commas, semicolons or tabs, or a
            Parquet file (read by pyarrow, may hold lists of labels).
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
    root = folder if reading.root is None else reading.root
    listing = read_table(path, root, table, reading)
    classes = join(folder, "classes.txt")
    if is_file(classes):
        listing = listing._replace(label_names=read_label_names(classes))
    return listing


def _read_parquet(path: str | Path) -> Iterator[tuple[int, list[Any]]]:
    require_extra("data", "pyarrow", f"Reading {path}")
    from pyarrow import ArrowException, parquet

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
        reason = f"{error}".rstrip(".")
        raise ValueError(f"{path} must be a Parquet file; got {reason}.") from error


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
