"""A problem or property of a dataset."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

Level = Literal["error", "warning", "note"]

# Rows that are kept of a finding; `count` tells how many there are.
_MOST_ROWS = 1000


@dataclasses.dataclass(frozen=True)
class Finding:
    """Holds one kind of problem or property found in a dataset.

    Args:
        level: "error" if it makes a training fail or its scores wrong, "warning" if it
            may, "note" if it does not.
        title: what was found.
        text: what it means and what to do.
        header: header of the rows.
        rows: where it was found, as cells, or a text for a single cell; the first 1,000
            are kept.
        count: how often it was found; the number of rows when -1.

    Example:
        >>> found = Finding("note", "Empty files", rows=["a.jpg", "b.jpg"])
        >>> found.count, found.rows
        (2, [['a.jpg'], ['b.jpg']])
    """

    level: Level
    title: str
    text: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    count: int = -1

    def __post_init__(self) -> None:
        if self.count < 0:
            object.__setattr__(self, "count", len(self.rows))
        rows = self.rows[:_MOST_ROWS]
        cells = [[row] if isinstance(row, str) else row for row in rows]
        object.__setattr__(self, "rows", cells)
