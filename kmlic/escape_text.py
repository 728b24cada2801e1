"""Text from outside, made safe to show and to write."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

# Control characters, marks that change the direction of text, separators of lines and
# paragraphs, and half surrogates, which stand for bytes that are not UTF-8.
_ESCAPED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_UNDECODABLE = re.compile("[\ud800-\udfff]")
# Apostrophes too, so that a guard can be told from the text's own.
_FORMULA = re.compile("'*[=+@\t\r-]")


def escape_text(text: str) -> str:
    r"""Replaces the characters of a text that cannot be seen by escapes.

    Replaced are control characters, such as those that command a terminal, marks that
    reverse the direction of text, and bytes of a file name that are not UTF-8.

    Args:
        text: any text, for instance a file name or a label.

    Example:
        >>> escape_text("a\x1b[31m.jpg"), escape_text("caf\udce9.jpg")
        ('a\\x1b[31m.jpg', 'caf\\xe9.jpg')
    """
    return _ESCAPED.sub(_escape, text)


def escape_lines(text: str) -> str:
    """Escapes a text as `escape_text` does, but keeps its line breaks."""
    return "\n".join(map(escape_text, text.split("\n")))


def escape_undecodable(text: str) -> str:
    r"""Escapes only the bytes of a file name that are not UTF-8.

    Args:
        text: to be written to a file as UTF-8.

    Example:
        >>> escape_undecodable("caf\udce9.jpg")
        'caf\\xe9.jpg'
    """
    return _UNDECODABLE.sub(_escape, text)


def guard_cell(text: str) -> str:
    """Puts an apostrophe before a text that a spreadsheet would run as a formula.

    Args:
        text: of a cell.

    Example:
        >>> guard_cell("=1+1"), guard_cell("cat")
        ("'=1+1", 'cat')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguard_cell(text: str) -> str:
    """Removes the apostrophe that `guard_cell` puts before a text.

    Example:
        >>> unguard_cell("'=1+1"), unguard_cell("'cat")
        ('=1+1', "'cat")
    """
    return text[1:] if text[:1] == "'" and _FORMULA.match(text) else text


def parse_escaped_first(parse: Callable[[list[str]], T], arguments: Sequence[str]) -> T:
    """Parses arguments whose errors are shown, after an escaped copy of them.

    The messages of a parser repeat what it does not accept, so it is first asked with
    arguments that are safe to show.

    Args:
        parse: prints an error and raises `SystemExit`, or returns what it parsed; it
            does nothing else.
        arguments: the command line.

    Example:
        >>> parse_escaped_first(" ".join, ["predict", "run"])
        'predict run'
    """
    escaped = [escape_text(argument) for argument in arguments]
    if escaped != list(arguments):
        parse(escaped)
    return parse(list(arguments))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # what Python decodes a byte to that is not UTF-8
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
