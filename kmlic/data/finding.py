"""A problem or property of a dataset."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """Holds one kind of problem or property found in a dataset.

    Args:
        level: "error" if it makes a training fail or its scores wrong, "warning" if it
            may, "note" if it does not.
        title: what was found.
        count: how often it was found.
        text: what it means and what to do.
        header: header of the rows.
        rows: where it was found.
    """

    level: Level
    title: str
    count: int
    text: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
