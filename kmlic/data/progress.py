"""Progress bars on the terminal, and lines elsewhere."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Iterator
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

from kmlic.count_noun import count_noun
from kmlic.make_console import make_console

_PATIENCE = 3.0
_REFRESH = 0.1
_BETWEEN_LINES, _BETWEEN_TOLD = 10.0, 0.5

_Item = TypeVar("_Item")
_Tell = Callable[[str], object]

_tell: _Tell | None = None  # of `telling`


@contextlib.contextmanager
def telling(tell: _Tell) -> Iterator[None]:
    """Tells a function what `with_progress` does meanwhile, instead of showing it.

    Args:
        tell: is called with the text of a line again and again, and with an empty one
            when there is no more to tell.

    Example:
        >>> with telling(print):
        ...     _ = list(with_progress("abc", "spelling", 3))
        <BLANKLINE>
    """
    global _tell
    before, _tell = _tell, tell
    try:
        yield
    finally:
        _tell = before


def with_progress(
    items: Iterable[_Item], title: str, total: int | None = None
) -> Iterator[_Item]:
    """Yields items and shows their number and rate if they take some seconds.

    They are shown on standard error: in a bar on a terminal, elsewhere in a line every
    ten seconds, with the time left; `telling` shows them otherwise.

    Args:
        items: any items.
        title: what is being done.
        total: number of items, if known.

    Example:
        >>> list(with_progress("abc", "spelling"))
        ['a', 'b', 'c']
    """
    if (tell := _tell) is not None:
        try:
            yield from _with_lines(items, title, total, tell, _BETWEEN_TOLD)
        finally:
            tell("")
        return
    console = make_console(stderr=True)
    if not console.is_terminal:
        show = functools.partial(console.print, soft_wrap=True)
        yield from _with_lines(items, title, total, show, _BETWEEN_LINES)
        return
    started = shown = time.monotonic()
    with make_bar(console) as bar:
        task = None
        for number, item in enumerate(items):
            now = time.monotonic()
            if now - shown > (_PATIENCE if task is None else _REFRESH):
                shown = now
                if task is None:
                    task = bar.add_task(title, total=total)
                rate = f"{number / (now - started):.0f}/s"
                bar.update(task, completed=number, description=f"{title}, {rate}")
            yield item


def _with_lines(
    items: Iterable[_Item], title: str, total: int | None, tell: _Tell, seconds: float
) -> Iterator[_Item]:
    started = shown = time.monotonic()
    for number, item in enumerate(items):
        now = time.monotonic()
        if now - shown > seconds:
            shown, rate = now, number / (now - started)
            text = f"{title}: {number:,}, {rate:.0f}/s"
            if total is not None and rate:
                left = count_noun(round((total - number) / rate), "second")
                text = f"{title}: {number:,} of {total:,}, {rate:.0f}/s, {left} left"
            tell(text)
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
