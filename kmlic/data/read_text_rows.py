"""The rows of a table that is a text file."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kmlic.data.progress import with_progress
from kmlic.data.storage import explain_decoding_errors, open_text

_DELIMITERS = ",;\t"
_EXCEL = re.compile(r"\"?sep=([,;\t|])\"?\s*", re.IGNORECASE)  # a first line of Excel's
_BLOCK_BYTES = 2**20


def read_text_rows(
    path: str | Path, *, keep_spaces: bool = False
) -> Iterator[tuple[int, list[str]]]:
    r"""Yields the line and the cells of each row of a CSV or TSV file.

    Cells are separated by what the first line has most of: commas, semicolons or tabs.
    Rows without a cell are left out.

    Args:
        path: the file.
        keep_spaces: whether spaces before a cell belong to it.

    Raises:
        ValueError: naming the file and the row that is not UTF-8 or no CSV.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = Path(folder) / "labels.csv"
        ...     _ = table.write_text("path;labels\n\n1.jpg;dog\n")
        ...     list(read_text_rows(table))
        [(1, ['path', 'labels']), (3, ['1.jpg', 'dog'])]
    """
    with explain_decoding_errors(path):
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
                file,
                delimiter=delimiter,
                strict=True,
                skipinitialspace=not keep_spaces,
            )
            lines = _count_lines(path)
            before = 1 if excel else 0
            row = first_row = 1 + before
            try:
                for cells in with_progress(reader, f"reading {path}", lines):
                    if any(cells) or row == first_row:  # spreadsheets add empty rows
                        yield row, cells
                    row = reader.line_num + 1 + before
            except csv.Error as error:
                raise ValueError(
                    f"{path} must be a CSV file; got {error} in row {row}."
                ) from error


def read_columns(
    path: str | Path, columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the line and the cells of each row by the names of their columns.

    Args:
        path: the file.
        columns: those that it must have; a cell that a row lacks is empty.

    Raises:
        ValueError: naming the file and the line that breaks a rule.
    """
    rows = read_text_rows(path, keep_spaces=True)
    line, header = next(rows, (1, []))
    if not set(columns) <= set(header):
        raise ValueError(
            f"{path} line {line}: must have the columns {', '.join(columns)}; got "
            f"{header}."
        )
    for line, cells in rows:
        lacking = [""] * (len(header) - len(cells))
        yield line, dict(zip(header, [*cells, *lacking], strict=False))


def _count_lines(path: str | Path) -> int | None:
    """Counts the lines after the first; not in a store, which would send them all."""
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        blocks = iter(lambda: file.read(_BLOCK_BYTES), b"")
        return sum(block.count(b"\n") for block in blocks) - 1
