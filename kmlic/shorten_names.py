"""Names in a sentence, of which the first are shown."""

from collections.abc import Iterable


def shorten_names(names: Iterable[str], shown: int = 5) -> str:
    """Returns the first names, with commas between, and how many more there are.

    Args:
        names: in the order in which they are shown.
        shown: the most that are shown.

    Example:
        >>> shorten_names("abc"), shorten_names("abcdefg")
        ('a, b, c', 'a, b, c, d, e and 2 more')
    """
    names = list(names)
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
