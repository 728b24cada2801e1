"""The texts and marks in the cells of tables."""

import math
import re
from collections.abc import Sequence
from typing import Any

PRESENT, ABSENT, BLANK, UNSURE = 1, 0, 2, -1
# With what pandas writes for 1, 0 and -1 when a column has gaps.
MARKS = {
    **dict.fromkeys(("1", "1.0", "True", "true", "TRUE"), PRESENT),
    **dict.fromkeys(("0", "0.0", "False", "false", "FALSE"), ABSENT),
    **dict.fromkeys(("", "nan", "NaN", "NA", "None", "null"), BLANK),
    **dict.fromkeys(("-1", "-1.0"), UNSURE),
}


# Of the box that `kmlic train` cuts out of each image, never labels.
CORNERS = ("x1", "y1", "x2", "y2")

Box = tuple[int, int, int, int]


def read_box(corners: Sequence[Any]) -> Box:
    """Returns the box of an image from the cells of the columns x1, y1, x2 and y2.

    Raises:
        ValueError: if they are not whole pixels, in this order.

    Example:
        >>> read_box(["5", "10", 25.0, "50"])
        (5, 10, 25, 50)
    """
    texts = [cell_text(cell).removesuffix(".0") for cell in corners]
    if all(map(str.isdecimal, texts)):
        left, top, right, bottom = map(int, texts)
        if left < right and top < bottom:
            return left, top, right, bottom
    raise ValueError(
        f"a box must be integer pixels with x1 < x2 and y1 < y2; got {', '.join(texts)}"
    )


def cell_text(cell: Any) -> str:
    """Returns a cell as a text without spaces around it.

    Example:
        >>> cell_text(" dog "), cell_text(None), cell_text(1.0)
        ('dog', '', '1.0')
    """
    if isinstance(cell, str):
        return cell.strip()
    missing = cell is None or (isinstance(cell, float) and math.isnan(cell))
    return "" if missing else str(cell)


def column_key(name: str) -> str:
    """Returns the name of a column in lower case, with underscores.

    Example:
        >>> column_key("Image Index")
        'image_index'
    """
    return re.sub(r"[\s.-]+", "_", name.lower())
