"""A bar on the terminal for what takes longer than a moment."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_PATIENCE = 3.0
_REFRESH = 0.1

_Item = TypeVar("_Item")


def with_progress(
    items: Iterable[_Item], title: str, total: int | None = None
) -> Iterator[_Item]:
    """Gives the items on, and shows how many went by once that takes some seconds.

    The bar stands on standard error, and only where that is a terminal.

    Args:
        items: of any number.
        title: what is being done.
        total: how many there will be, where that is known.

    Example:
        >>> list(with_progress("abc", "spelling"))
        ['a', 'b', 'c']
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    shown = time.monotonic()
    with Progress(*columns, console=console, transient=True) as bar:
        task = None
        for number, item in enumerate(items):
            now = time.monotonic()
            if now - shown > (_PATIENCE if task is None else _REFRESH):
                shown = now
                if task is None:
                    task = bar.add_task(title, total=total)
                bar.update(task, completed=number)
            yield item
