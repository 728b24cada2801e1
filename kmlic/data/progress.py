"""Progress bars on the terminal."""

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

from kmlic.make_console import make_console

_PATIENCE = 3.0
_REFRESH = 0.1

_Item = TypeVar("_Item")


def with_progress(
    items: Iterable[_Item], title: str, total: int | None = None
) -> Iterator[_Item]:
    """Yields items and shows their number in a bar if they take some seconds.

    The bar is written to standard error, and only if that is a terminal.

    Args:
        items: any items.
        title: what is being done.
        total: number of items, if known.

    Example:
        >>> list(with_progress("abc", "spelling"))
        ['a', 'b', 'c']
    """
    console = make_console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    shown = time.monotonic()
    with make_bar(console) as bar:
        task = None
        for number, item in enumerate(items):
            now = time.monotonic()
            if now - shown > (_PATIENCE if task is None else _REFRESH):
                shown = now
                if task is None:
                    task = bar.add_task(title, total=total)
                bar.update(task, completed=number)
            yield item


def make_bar(console: Console) -> Progress:
    """Creates a bar with steps, elapsed and remaining time, shown on terminals only.

    Example:
        >>> make_bar(Console(force_terminal=False)).disable
        True
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
