"""What separates the labels in the cells of a table."""

from collections.abc import Collection

# In this order; a space also occurs within the names of labels.
_CANDIDATES = (",", ";")
DEFAULT_SEPARATOR = "|"
_SPACED = (" / ", " + ", " & ")  # where parts are cells of their own too


def find_separator(cells: Collection[str], *, spaces: bool = False) -> str | None:
    """Returns what separates labels: of which cells, split by it, share the parts.

    Args:
        cells: the different cells, at least one of which is not empty.
        spaces: whether spaces may separate labels.

    Returns:
        The separator; "|" also if nothing looks like one, None if a comma or semicolon
        may be one or part of the names.

    Example:
        >>> find_separator(["cat,tie dye", "dog,tie dye", "dog", "cat"])
        ','
        >>> find_separator(["cat", "tie dye", ""])
        '|'
        >>> print(find_separator(["tench, Tinca tinca", "goldfish, Carassius auratus"]))
        None
    """
    cells = {cell for cell in cells if cell}
    if any(DEFAULT_SEPARATOR in cell for cell in cells):
        return DEFAULT_SEPARATOR
    if any("\n" in cell for cell in cells):
        return "\n"
    for mark in _SPACED:
        parts = {part for cell in cells if mark in cell for part in cell.split(mark)}
        if not parts.isdisjoint(cells) and _is_shared(cells, mark):
            return mark
    doubt = False
    for candidate in _CANDIDATES:
        if any(candidate in cell for cell in cells):
            if _is_shared(cells, candidate):
                return candidate
            doubt = True
    if doubt:
        return None
    if spaces and any(" " in cell for cell in cells):
        counts = {len(cell.split()) for cell in cells}
        numbers = all(part.isdigit() for cell in cells for part in cell.split())
        if numbers or (len(counts) > 1 and _is_shared(cells, " ")):
            return " "
    return DEFAULT_SEPARATOR


def _is_shared(cells: Collection[str], separator: str) -> bool:
    """Returns whether there are fewer parts than cells, so that cells share them."""
    parts = {part.strip() for cell in cells for part in cell.split(separator)}
    return len(parts - {""}) < len(cells)
