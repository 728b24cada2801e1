import io

from rich.console import Console

from kmlic.data import progress


def test_gives_every_item_on_in_order():
    assert list(progress.with_progress(iter(range(2000)), "counting")) == [*range(2000)]


def test_a_terminal_shows_how_far_it_is(monkeypatch):
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=100)
    monkeypatch.setattr(progress, "make_console", lambda stderr: terminal)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    assert len(list(progress.with_progress(range(2000), "counting", 2000))) == 2000
    assert "counting" in text.getvalue() and "/2000" in text.getvalue()


def test_a_file_gets_a_line_with_rate_and_time_left(monkeypatch):
    text = io.StringIO()
    console = Console(file=text, width=20)
    monkeypatch.setattr(progress, "make_console", lambda stderr: console)
    seconds = iter(range(0, 100, 6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    assert list(progress.with_progress("abcde", "spelling", 5)) == list("abcde")
    assert text.getvalue().splitlines() == [
        "spelling: 1 of 5, 0/s, 48 seconds left",
        "spelling: 3 of 5, 0/s, 16 seconds left",
    ]
    text.truncate(0)
    list(progress.with_progress("abcde", "spelling"))
    assert "spelling: 1, 0/s" in text.getvalue()
    seconds = iter(range(100))
    assert len(list(progress.with_progress(range(11), "counting", 11))) == 11
    assert text.getvalue().endswith("counting: 10 of 11, 1/s, 1 second left\n")


def test_tells_a_function_instead(monkeypatch, capsys):
    seconds = iter(range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    told = []
    with progress.telling(told.append):
        assert list(progress.with_progress("abc", "spelling", 3)) == list("abc")
        assert told == [
            "spelling: 0, 0/s",
            "spelling: 1 of 3, 0/s, 4 seconds left",
            "spelling: 2 of 3, 1/s, 2 seconds left",
            "",
        ]
    list(progress.with_progress(range(20), "counting"))
    assert "counting" in capsys.readouterr().err and len(told) == 4


def test_what_is_quick_is_not_shown(monkeypatch):
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=100)
    monkeypatch.setattr(progress, "make_console", lambda stderr: terminal)
    list(progress.with_progress(range(20), "counting", 20))
    assert "counting" not in text.getvalue()
