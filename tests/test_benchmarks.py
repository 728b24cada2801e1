import importlib.util
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kmlic.labels import Labels
from kmlic.models import build_classifier
from kmlic.predict import Scorer
from tests.benchmarks import all as benchmarks
from tests.benchmarks import runtimes


def test_every_benchmark_of_the_set_exists():
    for name in benchmarks.BENCHMARKS:
        assert importlib.util.find_spec(f"tests.benchmarks.{name}") is not None


def test_takes_the_minimum_and_the_median_of_every_number():
    texts = ["resnet50  kmlic 3.0 / 1,200\n\n", "resnet50 kmlic 1.0 / 1,000", "x 1"]
    assert benchmarks.summarise([*texts, "resnet50 kmlic 2.5 / 900"]) == [
        {
            "line": "resnet50 kmlic # / #",
            "runs": 3,
            "minimum": [1.0, 900.0],
            "median": [2.5, 1000.0],
        },
        {"line": "x #", "runs": 1, "minimum": [1.0], "median": [1.0]},
    ]


def test_lines_of_one_run_stay_apart():
    text = "step 1: 30 s\nstep 2: 6 s\n"
    medians = [row["median"] for row in benchmarks.summarise([text, text])]
    assert medians == [[1.0, 30.0], [2.0, 6.0]]


def test_writes_what_was_measured_on_which_machine(tmp_path):
    benchmarks.write(
        tmp_path / "new", ["--minutes", "0.5"], {"start_up": ["a 1 s", "a 3 s"]}
    )
    run = json.loads((tmp_path / "new/run.json").read_text())
    assert run["command"].endswith("--minutes 0.5")
    assert run["benchmarks"]["start_up"][0]["median"] == [2.0]
    assert run["environment"]["versions"]["python"]


def test_the_table_stands_between_the_markers(tmp_path):
    readme, folder = tmp_path / "README.md", tmp_path / "run"
    readme.write_text(f"before\n{benchmarks.START}old\n{benchmarks.END}after\n")
    texts = [
        "network inference\nresnet50 kmlic 3.0 / 1,000",
        "network inference\nresnet50 kmlic 1.0 / 1,000\nstopped: no time left",
    ]
    benchmarks.write(folder, ["--minutes", "20"], {"backbones": texts}, ["timm"])
    run = json.loads((folder / "run.json").read_text())
    benchmarks.write_table(readme, run)
    text = readme.read_text()
    assert text.startswith(f"before\n{benchmarks.START}`python -m tests.benchmarks.all")
    assert text.endswith(f"{benchmarks.END}after\n")
    assert "left out: timm." in text
    row = "| backbones: network inference | resnet50 kmlic 2 [1] / 1,000 | 2 |"
    assert text.count("| backbones") == 1 and row in text
    assert "old" not in text and "stopped" not in text
    readme.write_text("none")
    with pytest.raises(ValueError, match="must have the lines"):
        benchmarks.write_table(readme, run)


def test_only_the_run_of_the_default_folder_is_quoted(tmp_path, monkeypatch):
    readme, default = tmp_path / "README.md", tmp_path / "default"
    empty = f"{benchmarks.START}{benchmarks.END}"
    readme.write_text(empty)
    monkeypatch.setattr(benchmarks, "README", readme)
    monkeypatch.setattr(benchmarks, "FOLDER", default)
    monkeypatch.setattr(benchmarks, "run", lambda *_: "took 3 s")
    for folder in (tmp_path / "other", default):
        command = ["all", "--minutes", "0.001", "--folder", str(folder)]
        monkeypatch.setattr(sys, "argv", [*command, "--names", "heads"])
        benchmarks.main()
        assert (folder / "run.json").exists()
        assert (readme.read_text() == empty) == (folder != default)
    assert "| heads | took 3 s |" in readme.read_text()


def test_the_committed_table_is_that_of_the_committed_run():
    root = Path(__file__).parents[1]
    text = (root / benchmarks.README).read_text()
    written = text.partition(benchmarks.START)[2].partition(benchmarks.END)[0]
    path = root / benchmarks.FOLDER / "run.json"
    if path.exists():
        assert written == benchmarks.table(json.loads(path.read_text()))
    else:
        assert "|" not in written  # no table


def test_runtimes_are_compared_on_scores_that_differ():
    keras.utils.set_random_seed(0)
    model = build_classifier(3, backbone="small_resnet", image_size=64)
    images = runtimes.draw_images((4, 64, 64, 3))
    score = Scorer.of_model(model, Labels(("a", "b", "c"), image_size=64)).score
    with pytest.raises(ValueError, match=r"above 0\.1; got"):
        runtimes.require_spread(np.full_like(score(images), 0.5))
    runtimes.spread_scores(model, images)
    runtimes.require_spread(score(images))


def test_a_benchmark_that_fails_or_hangs_says_so(monkeypatch):
    monkeypatch.setitem(benchmarks.BENCHMARKS, "absent", [])
    assert "failed: " in benchmarks.run("absent", 60)
    monkeypatch.setitem(benchmarks.BENCHMARKS, "start_up", ["--repeats", "99"])
    assert benchmarks.run("start_up", 0.5) == "stopped: no time left"
