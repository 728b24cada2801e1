import subprocess
import sys
from pathlib import Path

import pytest

from kmlic.data.reading_options import ReadingOptions


def test_names_what_differs_from_the_defaults_as_json_holds_it():
    reading = ReadingOptions(root="images", label_names=Path("names.txt"))
    assert reading.changed == {"root": "images", "label_names": "names.txt"}
    assert reading.paths == ("images", Path("names.txt"))
    assert ReadingOptions(**reading.changed).changed == reading.changed


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"layout": "xml"}, "layout='xml'"),
        ({"difficult": "ignore"}, "difficult='ignore'"),
        ({"blank": "no"}, "blank='no'"),
        ({"separator": ""}, "separator=''"),
    ],
)
def test_refuses_what_is_no_choice(wrong, rule):
    with pytest.raises(ValueError, match=rule):
        ReadingOptions(**wrong)


def test_does_not_import_tensorflow():
    code = "import sys, kmlic.data.reading_options; print('tensorflow' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert result.stdout.split() == [b"False"]


def test_describes_paths_as_seen_from_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reading = ReadingOptions(root="gs://images", rename="names.csv", merge=True)
    described = reading.describe(tmp_path / "runs/mine")
    assert described["rename"] == "../../names.csv" and described["merge"] is True
    assert described["root"] == "gs://images" and described["label_names"] is None
