import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from kmlic.run_folder import Run, RunFolder, peak_memory_gb

RUN = Run(
    recipe="msrn",
    command="python -m recipes.msrn",
    settings={"epochs": 1},
    data={},
    results={"test": {"msrn": {"mAP": 0.5}}},
    deviations={},
    seeds={},
    per_label={},
    parameters={},
    exports={},
    seconds={},
)


def test_run_json_is_read_as_it_was_written(tmp_path):
    RUN.write(tmp_path / "run.json")
    read = Run.read(tmp_path / "run.json")
    assert dataclasses.asdict(read) == json.loads((tmp_path / "run.json").read_text())
    assert read.results["test"]["msrn"]["mAP"] == 0.5
    assert read.environment["versions"]["keras"]


@pytest.mark.parametrize("text", ["", "{}", '{"recipe": "msrn", "surplus": 1}'])
def test_another_file_is_refused_by_name(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(
        ValueError, match=r"run\.json must be a run\.json that kmlic wrote"
    ):
        Run.read(tmp_path / "run.json")


def test_a_run_that_was_interrupted_goes_on(tmp_path):
    assert not RunFolder(tmp_path / "run").begin({"epochs": 3})
    again = RunFolder(tmp_path / "run")
    assert again.begin({"epochs": 3})
    assert not again.path.exists()


def test_other_settings_are_listed_and_refused(tmp_path):
    RunFolder(tmp_path / "run").begin({"epochs": 3, "seed": 0})
    with pytest.raises(ValueError, match=r"\(epochs: 3 there, 4 here\)"):
        RunFolder(tmp_path / "run").begin({"epochs": 4, "seed": 0})


def test_a_finished_run_replaces_the_one_before(tmp_path):
    for name in ("first", "second"):
        folder = RunFolder(tmp_path / "run")
        assert not folder.begin({})
        (folder.working / name).touch()
        folder.finish()
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["second"]
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_the_memory_of_the_process_that_started_one_does_not_count():
    before = peak_memory_gb()
    ballast = np.ones(60_000_000)
    assert peak_memory_gb() > before + 0.4
    script = "from kmlic.run_folder import peak_memory_gb; print(peak_memory_gb())"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert float(found.stdout) < 0.4 < ballast.nbytes / 1e9
