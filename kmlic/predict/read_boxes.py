"""The box that is cut out of each image before a prediction."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kmlic.data.storage import read_columns
from kmlic.data.widen_boxes import widen_boxes

Box = tuple[int, int, int, int]

_COLUMNS = ("path", "x1", "y1", "x2", "y2")


def find_box(boxes: Mapping[str, Box] | None, path: str | Path) -> Box | None:
    """Returns the box of an image among those of `read_boxes`, None without boxes."""
    return (boxes or {}).get(os.path.abspath(path))  # noqa: PTH100


def read_boxes(
    path: str | Path, *, margin: float = 0.0, root: str | Path | None = None
) -> dict[str, Box]:
    r"""Reads a CSV of boxes, with the columns path, x1, y1, x2 and y2.

    Args:
        path: the CSV; corners are in pixels, excluding x2 and y2.
        margin: fraction of a box's sides that is added on each side.
        root: folder that the paths of images are relative to; the CSV's own when None.

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
    top = path.parent if root is None else Path(root)
    boxes: dict[str, Box] = {}
    for line, row in read_columns(path, _COLUMNS):
        corners = [row[name].strip() for name in _COLUMNS[1:]]
        numbers = [int(each) for each in corners if each.isdecimal()]
        if len(numbers) < 4 or numbers[0] >= numbers[2] or numbers[1] >= numbers[3]:
            raise ValueError(
                f"{path} line {line}: must be integer pixels with x1 < x2 and y1 < y2; "
                f"got {', '.join(corners)}."
            )
        (wide,) = widen_boxes(np.array([numbers]), margin).astype(int).tolist()
        image = os.path.abspath(top / row["path"])  # noqa: PTH100
        if boxes.setdefault(image, tuple(wide)) != tuple(wide):
            raise ValueError(
                f"{path} line {line}: an image must have one box; {row['path']!r} has "
                "another one above."
            )
    return boxes
