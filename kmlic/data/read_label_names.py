"""The names of labels, in the order of a model's outputs."""

from collections.abc import Sequence
from pathlib import Path

from kmlic.data.storage import read_lines
from kmlic.labels import Labels


def read_label_names(names: Sequence[str] | str | Path) -> tuple[str, ...]:
    """Reads a text file with one label per line, or checks a sequence of labels.

    Raises:
        ValueError: naming the file and row of a label that is empty or listed twice.

    Example:
        >>> read_label_names(["dog", "cat"])
        ('dog', 'cat')
    """
    if not isinstance(names, str | Path):
        return Labels(tuple(names)).names
    lines = read_lines(names)
    seen: set[str] = set()
    for number, name in enumerate(lines, start=1):
        if not name or name in seen:
            raise ValueError(
                f"{names} row {number}: a label must be a text, listed once; got "
                f"{name!r}."
            )
        seen.add(name)
    if not lines:
        raise ValueError(f"{names} must list at least one label; it is empty.")
    return tuple(lines)
