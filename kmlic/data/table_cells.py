"""The texts and marks in the cells of tables."""

import math
import re
from typing import Any

PRESENT, ABSENT, BLANK, UNSURE = 1, 0, 2, -1
# With what pandas writes for 1, 0 and -1 when a column has gaps.
MARKS = {
    **dict.fromkeys(("1", "1.0", "True", "true", "TRUE"), PRESENT),
    **dict.fromkeys(("0", "0.0", "False", "false", "FALSE"), ABSENT),
    **dict.fromkeys(("", "nan", "NaN", "NA", "None", "null"), BLANK),
    **dict.fromkeys(("-1", "-1.0"), UNSURE),
}


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
