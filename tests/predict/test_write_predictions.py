import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from kmlic.labels import Labels
from kmlic.predict import Prediction, write_predictions
from tests.predict.toys import LABELS

ROWS = [
    Prediction(Path("a, b.png"), ("red", "blue"), np.array([0.9, 0.1, 0.8], "float32")),
    Prediction(Path("ü.png"), (), None, "ü.png must hold an image; it is empty."),
]


def test_writes_csv(tmp_path):
    path = tmp_path / "rows.csv"
    assert write_predictions(iter(ROWS), path, LABELS) == (2, 1, 0)
    with path.open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first == {
        "path": "a, b.png",
        "labels": "red|blue",
        "error": "",
        "red": "0.9",
        "green": "0.1",
        "blue": "0.8",
    }
    assert (second["red"], second["error"]) == ("", ROWS[1].error)


def test_writes_json_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert write_predictions(iter(ROWS), path, LABELS) == (2, 1, 0)
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert first["labels"] == ["red", "blue"]
    assert first["probabilities"] == pytest.approx(
        {"red": 0.9, "green": 0.1, "blue": 0.8}
    )
    assert second == {
        "path": "ü.png",
        "labels": [],
        "probabilities": None,
        "error": ROWS[1].error,
    }


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_writes_names_that_are_not_utf8_escaped(tmp_path, suffix):
    name = os.fsdecode(b"caf\xe9.png")
    rows = [
        Prediction(Path(name), ("red",), np.array([0.9, 0.1, 0.1])),
        Prediction(Path(name), (), None, f"{name} must hold an image."),
        *ROWS,
    ]
    path = tmp_path / f"rows{suffix}"
    assert write_predictions(rows, path, LABELS) == (4, 2, 2)
    text = path.read_text(encoding="utf-8").replace(r"\\", "\\")
    assert text.count(r"caf\xe9.png") == 3


def test_guards_cells_that_a_spreadsheet_would_run(tmp_path):
    path = tmp_path / "rows.csv"
    labels = Labels(("=1+1", "@x", "cat"))
    rows = [Prediction(Path("-a.png"), ("=1+1", "cat"), np.array([0.9, -0.1, 0.8]))]
    write_predictions(rows, path, labels)
    first, second = path.read_text().splitlines()
    assert first == "path,labels,error,'=1+1,'@x,cat"
    assert second == "'-a.png,'=1+1|cat,,0.9,-0.1,0.8"
    write_predictions(rows, path, labels, guard=False)
    assert path.read_text().splitlines()[0] == "path,labels,error,=1+1,@x,cat"


def test_json_never_holds_nan(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [Prediction(Path("a.png"), (), np.array([np.nan, 0.1, 0.2]))]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_predictions(rows, path, LABELS)
    assert not path.exists()


def test_refuses_a_folder_before_anything_is_predicted(tmp_path):
    rows = iter(ROWS)
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(ValueError, match=r"rows.csv must be a file"):
        write_predictions(rows, tmp_path / "rows.csv", LABELS)
    assert len(list(rows)) == 2


def test_leaves_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("old")

    def fail():
        yield ROWS[0]
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        write_predictions(fail(), path, LABELS)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["rows.csv"]


def test_refuses_another_suffix_before_it_predicts(tmp_path):
    def never():
        raise AssertionError
        yield

    with pytest.raises(ValueError, match=r"rows\.xlsx must end with \.csv or \.jsonl"):
        write_predictions(never(), tmp_path / "rows.xlsx", LABELS)
