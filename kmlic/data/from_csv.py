"""A table of image paths and labels to a dataset."""

import csv
import io
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

from kmlic.data.build_from_listing import RowOptions, build_from_listing
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.progress import with_progress
from kmlic.data.storage import is_file, open_text, parent, read_file

_OPTIONAL = ("split", "caption", "group")
# What `kmlic train` cuts out of each image; never labels.
_CORNERS = ("x1", "y1", "x2", "y2")
_NO_LABELS = ("path", "labels", *_OPTIONAL, *_CORNERS)
# What pandas writes for 1, 0 and -1 when a column has gaps stands here too.
_MARKS = {
    **dict.fromkeys(("1", "1.0", "true"), 1),
    **dict.fromkeys(("0", "0.0", "false"), 0),
    **dict.fromkeys(("", "-1", "-1.0"), -1),
}
_BLOCK_BYTES = 2**20
_ROWS_A_BATCH = 8192
_MAX_PARQUET_BYTES = 2 * 1024**3

_log = logging.getLogger(__name__)


def from_csv(
    path: str | Path,
    *,
    root: str | Path | None = None,
    separator: str = "|",
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    r"""Reads a table with one image a row and loads what it lists.

    Columns: path, labels (joined by the separator; nothing for an image without
    labels; `?name` for a label of which it is unknown whether it is there), and, where
    wanted, split (train, validation or test), caption, and group (images of one group
    stay in one split). Other columns are left alone, and logged. Without a column
    labels, every other column is a label: 1 present, 0 absent, -1 or empty unknown, and
    their order is the labels'.

    Args:
        path: a UTF-8 file; .tsv has tabs, .parquet is read by pyarrow and may hold
            lists of labels, anything else has commas. May lie in a store, as gs://.
        root: folder that the paths are relative to; the file's own when None.
        separator: between labels.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes.

    Raises:
        ValueError: naming the file, the row (the header is row 1) and the rule: a
            missing column, no rows, text that is not UTF-8, an empty path or one
            outside the root, an image that is missing, stands twice or does not
            decode, an unknown label.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     lines = ["path,labels"]
        ...     for number in range(10):
        ...         name = f"{number}.png"
        ...         image = Image.new("RGB", (8, 8), (number, 0, 0))
        ...         image.save(Path(folder) / name)
        ...         lines.append(f"{name},{'dog|sofa' if number % 2 else 'cat'}")
        ...     _ = (Path(folder) / "labels.csv").write_text("\n".join(lines))
        ...     data = from_csv(
        ...         Path(folder) / "labels.csv", image_size=8, batch_size=2
        ...     )
        >>> data.labels.names, data.sizes["train"]
        (('cat', 'dog', 'sofa'), 7)
    """
    listing = read_csv(path, root=root, separator=separator)
    return build_from_listing(listing, **options)


def read_csv(
    path: str | Path, *, root: str | Path | None = None, separator: str = "|"
) -> Listing:
    """Reads the rows of a table, as `from_csv` describes it.

    Raises:
        ValueError: if the file is not such a table. What is wrong with single rows is
            said in the rows.
    """
    if not separator:
        raise ValueError("`separator` must be a text; got separator=''.")
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
    folder = parent(path) if root is None else root
    options = {"root": root, "separator": separator}
    return Listing(rows, path, folder, names, "csv", options)


def _read_text(path: str | Path) -> Iterator[tuple[int, list[Any]]]:
    with open_text(path) as file:
        tabs = os.fspath(path).endswith(".tsv")
        reader = csv.reader(file, delimiter="\t" if tabs else ",", strict=True)
        yield 1, next(reader, [])
        lines = _count_lines(path)
        for cells in with_progress(reader, f"reading {path}", lines):
            if cells:
                yield reader.line_num, cells


def _count_lines(path: str | Path) -> int | None:
    """Counts the lines after the first, which a store would have to send for it."""
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


def _as_text(cell: Any) -> Any:
    if isinstance(cell, list):
        return ["" if each is None else str(each) for each in cell]
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return "" if cell is None else str(cell)


def _label_columns(header: Sequence[str], path: str | Path) -> tuple[str, ...] | None:
    """Gives the columns that are labels, or None where one column holds them all."""
    if "path" not in header:
        raise ValueError(
            f"{path} row 1: the header must name the columns path and labels; "
            f"'path' is missing in {list(header)}."
        )
    if len(set(header)) < len(header):
        raise ValueError(f"{path} row 1: a column must stand once; got {list(header)}.")
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
    """Makes rows of cells, with one copy only of every label's name."""

    def __init__(
        self, header: Sequence[str], columns: tuple[str, ...] | None, separator: str
    ):
        self._header = list(header)
        self._place = {name: index for index, name in enumerate(header)}
        self._columns = columns and [(name, self._place[name]) for name in columns]
        self._separator = separator
        self._names: dict[str, str] = {}

    def read(self, line: int, cells: list[Any]) -> ImageRow:
        header = self._header
        path = cells[self._place["path"]] if self._place["path"] < len(cells) else ""
        if len(cells) != len(header):
            return ImageRow(
                line,
                path,
                problem=f"a row must have {len(header)} cells {_shortened(header)}; "
                f"got {len(cells)}",
            )
        read = self._by_column if self._columns else self._by_list
        present, unknown, problem = read(cells)
        if problem:
            return ImageRow(line, path, problem=problem)
        split, caption, group = (
            cells[self._place[name]] if name in self._place else ""
            for name in _OPTIONAL
        )
        return ImageRow(line, path, present, unknown, split, caption, group)

    def _by_list(
        self, cells: list[Any]
    ) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        value = cells[self._place["labels"]]
        parts = value if isinstance(value, list) else value.split(self._separator)
        names = [part.strip() for part in parts]
        if names == [""]:
            names = []
        if not all(name.removeprefix("?") for name in names):
            return (), (), f"labels must not be empty; got {value!r}"
        present = tuple(self._one(n) for n in names if not n.startswith("?"))
        return present, tuple(self._one(n[1:]) for n in names if n[0] == "?"), ""

    def _by_column(
        self, cells: list[Any]
    ) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        marks: dict[int, list[str]] = {1: [], 0: [], -1: []}
        for name, place in self._columns or ():
            mark = _MARKS.get(str(cells[place]).strip().lower())
            if mark is None:
                return (
                    (),
                    (),
                    f"the label {name!r} must be 1, 0, -1 or empty; "
                    f"got {cells[place]!r}",
                )
            marks[mark].append(name)
        return tuple(marks[1]), tuple(marks[-1]), ""

    def _one(self, name: str) -> str:
        return self._names.setdefault(name, name)


def _shortened(header: list[str]) -> str:
    return str(header) if len(header) <= 10 else f"[{', '.join(header[:10])}, ...]"
