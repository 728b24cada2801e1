import io

import pytest
from rich.table import Table

from kmlic.make_console import make_console


@pytest.fixture
def console():
    return make_console(file=io.StringIO(), width=200)


NAMES = ["[artist] title.jpg", "[/x]", "[meme]", "[bold]cat[/bold]", ":cat:", "\\[x]"]


@pytest.mark.parametrize("name", NAMES)
def test_shows_names_that_look_like_markup(console, name):
    table = Table(name, title=name)
    table.add_row(name)
    console.print(name)
    console.print(table)
    assert console.file.getvalue().count(name) == 4


def test_shows_control_characters_escaped(console):
    table = Table("name")
    table.add_row("\x1b[2J\u202egpj.exe")
    console.print("caf\udce9\x07.jpg", table)
    shown = console.file.getvalue()
    assert r"caf\xe9\x07.jpg" in shown and r"\x1b[2J\u202egpj.exe" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_keeps_lines_of_a_text(console):
    console.print("one\ntwo")
    assert console.file.getvalue() == "one\ntwo\n"
