"""A dataset of own images, listed in a pandas DataFrame."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

from kmlic.data.build_from_listing import RowOptions, build_from_listing
from kmlic.data.image_row import Listing
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.read_table import read_table
from kmlic.data.reading_options import DEFAULT_READING, ReadingOptions


def from_dataframe(
    frame: Any,
    reading: ReadingOptions | None = None,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads own images with their labels from a pandas DataFrame.

    Args:
        frame: a row per image with its path and a list or text of its labels, or with
            a column of 1 and 0 for each label, as `from_csv` reads them. Its index is
            not used.
        reading: how it is read; paths are relative to `root`, the current folder when
            None.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes.

    Raises:
        ValueError: naming the row, from 1, and the rule.

    Example:
        >>> import tempfile
        >>> import pandas
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> frame = pandas.DataFrame({
        ...     "path": [f"{number}.png" for number in range(10)],
        ...     "labels": [["dog", "sofa"], ["cat"]] * 5,
        ... })
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for number, path in enumerate(frame["path"]):
        ...         image = Image.new("RGB", (8, 8), (number, 0, 0))
        ...         image.save(Path(folder) / path)
        ...     data = from_dataframe(
        ...         frame, ReadingOptions(root=folder), image_size=8, batch_size=2
        ...     )
        >>> data.labels.names, data.sizes["train"]
        (('cat', 'dog', 'sofa'), 7)
    """
    reading = reading or DEFAULT_READING
    root = "." if reading.root is None else reading.root
    return build_from_listing(list_dataframe(frame, root, reading), **options)


def list_dataframe(frame: Any, root: str | Path, reading: ReadingOptions) -> Listing:
    """Lists the images of a pandas DataFrame with their labels.

    Args:
        frame: see `from_dataframe`.
        root: folder that its paths are relative to.
        reading: how it is read.

    Raises:
        ValueError: if no column holds images or labels.
    """
    return read_table("the DataFrame", root, _rows(frame), reading)


def _rows(frame: Any) -> Iterator[tuple[int, list[Any]]]:
    yield 1, [str(name) for name in frame.columns]
    rows = frame.itertuples(index=False, name=None)
    for number, cells in enumerate(rows, start=1):
        yield number, [_cell(cell) for cell in cells]


def _cell(cell: Any) -> Any:
    """Returns arrays and NumPy's numbers as lists and numbers of Python."""
    if isinstance(cell, set | frozenset):
        return sorted(cell)
    if str(cell) == "<NA>":
        return None
    return cell.tolist() if hasattr(cell, "tolist") else cell
