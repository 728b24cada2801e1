import os

import pytest

from kmlic.escape_text import (
    escape_lines,
    escape_text,
    escape_undecodable,
    guard_cell,
    unguard_cell,
)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain, é, 犬, 👩‍🚒", "plain, é, 犬, 👩‍🚒"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
        ("two\nlines\r", r"two\x0alines\x0d"),
        ("\x9b31m", r"\x9b31m"),
        (os.fsdecode(b"caf\xe9.jpg"), r"caf\xe9.jpg"),
        ("\ud83d", r"\ud83d"),
    ],
)
def test_escapes_only_what_cannot_be_seen(text, escaped):
    assert escape_text(text) == escaped
    assert escape_text(text).encode("utf-8")


def test_keeps_lines_where_asked():
    assert escape_lines("a\x07\nb") == "a\\x07\nb"


def test_keeps_what_a_file_can_hold():
    assert escape_undecodable("a\n\u202e\udce9") == "a\n\u202e\\xe9"


@pytest.mark.parametrize("text", ["=1", "'=1", "''@", "cat", "'cat", ""])
def test_a_guard_can_be_removed(text):
    assert unguard_cell(guard_cell(text)) == text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_guards_what_a_spreadsheet_would_run(text):
    assert guard_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "cat", "a=b"])
def test_leaves_other_cells_alone(text):
    assert guard_cell(text) == text
