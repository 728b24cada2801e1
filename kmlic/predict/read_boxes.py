"""The box that is cut out of each image before a prediction."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kmlic.data.read_text_rows import read_columns
from kmlic.data.table_cells import CORNERS, Box, read_box
from kmlic.data.widen_boxes import widen_boxes


def find_box(boxes: Mapping[str, Box] | None, path: str | Path) -> Box | None:
    """Returns the box of an image among those of `read_boxes`, None without boxes."""
    return (boxes or {}).get(os.path.abspath(path))  # noqa: PTH100


def read_boxes(path: str | Path, *, margin: float = 0.0) -> dict[str, Box]:
    r"""Reads a CSV of boxes, with the columns path, x1, y1, x2 and y2.

    Args:
        path: the CSV; corners are in pixels, excluding x2 and y2, and paths relative to
            its folder.
        margin: fraction of a box's sides that is added on each side.

    Returns:
        The left, top, right and bottom of each box by the absolute path of its image.

    Raises:
        ValueError: naming the file and the line that breaks a rule.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "boxes.csv"
        ...     _ = file.write_text("path,x1,y1,x2,y2\na.jpg,5,10,25,50\n")
        ...     list(read_boxes(file, margin=0.1).values())
        [(3, 6, 27, 54)]
    """
    path = Path(path)
    if margin < 0:
        raise ValueError(f"`margin` must be at least 0; got margin={margin}.")
    if not path.is_file():
        raise ValueError(f"{path} must be a CSV of boxes; there is no such file.")
    boxes: dict[str, Box] = {}
    for line, row in read_columns(path, ("path", *CORNERS)):
        try:
            box = read_box([row[name] for name in CORNERS])
        except ValueError as error:
            raise ValueError(f"{path} line {line}: {error}.") from error
        (wide,) = widen_boxes(np.array([box]), margin).astype(int).tolist()
        image = os.path.abspath(path.parent / row["path"])  # noqa: PTH100
        if boxes.setdefault(image, tuple(wide)) != tuple(wide):
            raise ValueError(
                f"{path} line {line}: an image must have one box; {row['path']!r} has "
                "another one above."
            )
    return boxes
