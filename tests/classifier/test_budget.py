import importlib
import io
import re
import time

import pytest
from rich.console import Console

from kmlic.classifier.budget import Budget
from kmlic.data import progress


def test_says_what_is_left_with_each_stage():
    text = io.StringIO()
    budget = Budget(2, Console(file=text))
    budget.take_over(30)
    budget.say("floor", "done")
    assert "[1:29 left] floor: done" in text.getvalue()
    budget.take_over(500)
    budget.say("heads", "late")
    assert re.search(r"\[6:5\d over\] heads: late", text.getvalue())
    assert budget.left < 0


def test_refuses_no_time():
    with pytest.raises(ValueError, match="above 0; got minutes=0"):
        Budget(0)


def test_says_how_far_it_is_where_that_is_known(monkeypatch, capsys):
    module = importlib.import_module("kmlic.classifier.budget")
    monkeypatch.setattr(module, "_SILENCE", 0.1)
    monkeypatch.setattr(progress, "_BETWEEN_TOLD", 0.0)
    text = io.StringIO()
    budget = Budget(2, Console(file=text, width=200))
    with budget.reporting():
        for number in progress.with_progress(range(1000), "drawing", 1000):
            time.sleep(0.01)
            if number and " left\n" in text.getvalue():
                break
        drawn = text.getvalue()
        while text.getvalue() == drawn:  # until the next line
            time.sleep(0.01)
    lines = [line.partition(" left] ")[2] for line in text.getvalue().splitlines()]
    assert lines[0] == "start: reading the data" == lines[-1]
    told = r"start: drawing: \d+ of 1,000, \d+/s, \d+ seconds? left"
    assert any(re.fullmatch(told, line) for line in lines[1:-1])
    assert not capsys.readouterr().err


def test_says_what_takes_long(monkeypatch):
    monkeypatch.setattr(
        importlib.import_module("kmlic.classifier.budget"), "_SILENCE", 0.1
    )
    text = io.StringIO()
    budget = Budget(2, Console(file=text))
    with budget.reporting():
        budget.do("features", "16 of 60 images")
        end = time.monotonic() + 20
        while "features" not in text.getvalue() and time.monotonic() < end:
            time.sleep(0.05)
        budget.do("features", "32 of 60 images")
        # As often as it takes: what is still the same shows that it goes on.
        while text.getvalue().count("32 of 60") < 2 and time.monotonic() < end:
            time.sleep(0.05)
    lines = text.getvalue().splitlines()
    assert lines[0] == "[1:59 left] start: reading the data"
    assert lines[1] == "[1:59 left] features: 16 of 60 images"
    assert text.getvalue().count("left] features: 32 of 60 images") >= 2
    written = text.getvalue()
    time.sleep(0.7)
    assert text.getvalue() == written  # nothing after the end
