"""The terminal that kmlic prints on."""

from typing import Any

from rich.console import Console
from rich.text import Text

from kmlic.escape_text import escape_lines


def make_console(**options: Any) -> Console:
    """Creates a console that shows every text as it is, with escaped control codes.

    Labels and file names may contain what rich would read as markup or emoji codes,
    or what would command the terminal.

    Args:
        **options: of `rich.console.Console`.

    Example:
        >>> make_console().print("[artist] title.jpg")
        [artist] title.jpg
    """
    return _PlainConsole(highlight=False, markup=False, emoji=False, **options)


class _PlainConsole(Console):
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(escape_lines(text), **options)
