import dataclasses
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kmlic import atomic_write, run_folder
from kmlic.atomic_write import remove
from kmlic.run_folder import (
    Run,
    RunFolder,
    claim_run,
    none_to_nan,
    require_run,
)
from tests.kills import kills

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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{}", "no field 'recipe'"),
        ("[]", "a list instead of a JSON object"),
        ('{"recipe": "msrn", "surplus": 1}', "the unknown field 'surplus'"),
    ],
)
def test_another_file_is_refused_by_name(tmp_path, text, reason):
    (tmp_path / "run.json").write_text(text)
    message = rf"run\.json must be a run\.json that kmlic wrote; got {reason}"
    with pytest.raises(ValueError, match=message):
        Run.read(tmp_path / "run.json")


def _begin(path, settings, state="step"):
    folder = RunFolder(path)
    resumes = folder.begin(settings)
    if state:
        folder.trainings.mkdir(exist_ok=True)
        (folder.trainings / state).touch()
    return folder, resumes


def test_a_run_that_was_interrupted_goes_on(tmp_path):
    first, resumes = _begin(tmp_path / "run", {"epochs": 3})
    (first.draft / "old").touch()
    again = RunFolder(tmp_path / "run")
    assert not resumes
    assert again.begin({"epochs": 3})
    assert (again.trainings / "step").exists()
    assert not list(again.draft.iterdir())
    assert not again.path.exists()


def test_other_settings_are_listed_and_refused(tmp_path):
    _begin(tmp_path / "run", {"epochs": 3, "seed": 0, "folder": "run"})
    with pytest.raises(ValueError, match=r"\(epochs: 3 there, 4 here\)"):
        RunFolder(tmp_path / "run").begin({"epochs": 4, "seed": 0})
    # The same folder can be written in several ways.
    same = {"epochs": 3, "seed": 0, "folder": "./run"}
    assert RunFolder(tmp_path / "run").begin(same)


def test_a_finished_run_of_other_settings_is_not_replaced(tmp_path):
    there = {"epochs": 3, "reading": {"merge": True, "root": None}, "folder": "x"}
    path = tmp_path / "run"
    dataclasses.replace(RUN, settings={**there, "found": 5}).write(path / "run.json")
    # A record alone, as repositories keep it, has no model that would be lost.
    assert not RunFolder(path).begin({**there, "epochs": 4})
    (path / "model.keras").touch()
    for changes, message in (
        ({"epochs": 4}, r"of python -m recipes\.msrn \(epochs: 3 there, 4 here\)"),
        ({"reading": {"merge": True, "root": "."}}, r"\(reading: root: None there, '"),
        ({"rate": 0.1}, r"\(another recipe or version, which does not record rate\)"),
    ):
        with pytest.raises(ValueError, match=message):
            RunFolder(path).begin({**there, **changes})
        assert [each.name for each in tmp_path.iterdir()] == ["run"]
    assert not RunFolder(path).begin({**there, "folder": path, "log": "wandb"})
    (path / "run.json").write_text("{}")
    with pytest.raises(ValueError, match=r"one of an unknown command .*no field"):
        RunFolder(path).begin(there)


@pytest.mark.parametrize("state", [None, ".step.0-1.partial.npz"])
def test_a_start_without_a_saved_state_leaves_nothing(tmp_path, state):
    folder, _ = _begin(tmp_path / "new/run", {"data_dir": "phtos"}, state)
    assert not RunFolder(folder.path).begin({"data_dir": "photos"})
    gc.collect()
    del folder
    assert not list(tmp_path.iterdir())


def test_a_killed_start_without_a_saved_state_is_not_resumed(tmp_path):
    path = tmp_path / "run"
    for _ in kills(
        lambda: RunFolder(path), lambda folder: folder.begin({"data_dir": "phtos"})
    ):
        folder = RunFolder(path)
        assert not folder.begin({"data_dir": "photos"})
        del folder
        assert not list(tmp_path.iterdir())


def test_a_finished_run_replaces_the_one_before(tmp_path):
    for name in ("first", "second"):
        folder, resumes = _begin(tmp_path / "run", {})
        assert not resumes
        (folder.draft / name).touch()
        RUN.write(folder.draft / "run.json")
        folder.finish()
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"second", "run.json"}
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_folder_that_is_no_run_stays(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.jpg").touch()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="it is a folder with other files"):
        RunFolder(tmp_path / "photos").begin({})
    with pytest.raises(ValueError, match=r"file must be a folder .* it is a file"):
        RunFolder(tmp_path / "file").begin({})
    folder, _ = _begin(tmp_path / "run", {})
    folder.path.mkdir()
    (folder.path / "mine").touch()
    with pytest.raises(ValueError, match="it is a folder with other files"):
        folder.finish()
    assert (folder.trainings / "step").exists()
    assert [p.name for p in folder.path.iterdir()] == ["mine"]


def test_another_process_cannot_begin_the_same_run(tmp_path):
    script = (
        "import sys; from kmlic.run_folder import RunFolder; "
        "RunFolder(sys.argv[1]).begin({})"
    )

    def begin_elsewhere():
        return subprocess.run(
            [sys.executable, "-c", script, tmp_path / "run"],
            capture_output=True,
            text=True,
        )

    folder, _ = _begin(tmp_path / "run", {}, None)
    found = begin_elsewhere()
    assert found.returncode == 1
    assert f"being written by another process ({os.getpid()} on host" in found.stderr
    RUN.write(folder.draft / "run.json")
    folder.finish()
    assert begin_elsewhere().returncode == 0
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("old", "exchange", "epochs"), [(True, True, 3), (True, False, 4), (False, True, 4)]
)
def test_a_kill_at_any_point_of_finish_loses_no_run(
    tmp_path, monkeypatch, old, exchange, epochs
):
    if not exchange:
        monkeypatch.setattr(atomic_write, "_exchange", lambda *_: False)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    # So that only an interrupted run has other settings.
    monkeypatch.setattr(run_folder, "require_same_settings", lambda *_: None)
    path = tmp_path / "run"

    def start(content):
        folder, _ = _begin(path, {"epochs": 3})
        (folder.draft / "export/1").mkdir(parents=True)
        (folder.draft / "export/1/model").write_text(content)
        (folder.draft / "run.json").write_text(content)
        return folder

    def read():
        content = (path / "run.json").read_text()
        assert content == (path / "export/1/model").read_text()
        return content

    seen = []
    if old:
        start("old").finish()
    for _ in kills(lambda: start("new"), RunFolder.finish):
        if old and exchange:  # at every moment
            read()
        folder, resumes = RunFolder(path), False
        try:
            resumes = folder.begin({"epochs": epochs})
        except ValueError as error:
            assert "epochs: 3 there, 4 here" in str(error)
            resumes = True
        seen.append(read() if path.exists() else None)
        if seen[-1] != "new":
            assert resumes and (folder.trainings / "step").exists()
        else:
            assert epochs == 3 or not resumes
        assert {p.name for p in path.glob("*")} <= {"run.json", "export"}
        del folder
        remove(tmp_path / ".run.working")
        remove(path)
        assert not list(tmp_path.iterdir())
        if old:
            start("old").finish()
    before = "old" if old else None
    assert seen == sorted(seen, key=lambda content: content == "new")
    assert {*seen} == {before, "new"}


def test_the_memory_of_the_process_that_started_one_does_not_count():
    # In a process of its own, whose peak no other test has raised.
    script = """
import subprocess, sys
import numpy as np
from kmlic.run_folder import peak_memory_gb
if sys.argv[1:]:
    print(peak_memory_gb())
else:
    before = peak_memory_gb()
    ballast = np.ones(60_000_000)
    assert peak_memory_gb() > before + 0.4
    subprocess.run([sys.executable, "-c", sys.orig_argv[2], "child"], check=True)
    assert 0.4 < ballast.nbytes / 1e9
"""
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert float(found.stdout) < 0.4


def test_run_json_never_holds_nan(tmp_path):
    values = {"msrn": {"mAP": float("nan"), "loss": float("inf")}}
    run = dataclasses.replace(RUN, results={"test": values}, settings={"rates": (1.0,)})
    run.write(tmp_path / "run.json")
    text = (tmp_path / "run.json").read_text()
    content = json.loads(text, parse_constant=pytest.fail)
    assert content["results"]["test"]["msrn"] == {"mAP": None, "loss": None}
    assert none_to_nan({"a": None, "b": 1.0})["b"] == 1.0


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("data", [], "data"),
        ("data", {"seeds": []}, "seeds"),
        ("data", {"seeds": {"0": {"spec": {"name": "csv"}}}}, "splits"),
        ("data", {"exported": {"model": "x", "seed": "0"}}, "seed"),
        ("data", {"fingerprints": "x"}, "fingerprints"),
        ("settings", None, "settings"),
        ("results", {"test": {"msrn": {"mAP": "high"}}}, "results"),
        ("exports", {"model.tflite": "small"}, "exports"),
        ("recipe", 3, "recipe"),
    ],
)
def test_a_changed_file_is_refused_with_the_field(tmp_path, name, value, found):
    content = {**dataclasses.asdict(RUN), name: value}
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"(?s)kmlic wrote; got .*{found}"):
        Run.read(tmp_path / "run.json")


@pytest.mark.parametrize("content", [b"\xff", b"[" * 100_000, b"[1]", b"1" * 5000])
def test_another_kind_of_content_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.json must be"):
        Run.read(tmp_path / "run.json")


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        require_run(tmp_path / "absent")
    (tmp_path / "run.json").touch()
    with pytest.raises(ValueError, match=r"run\.json and labels.json; it lacks labels"):
        require_run(tmp_path, "run.json", "labels.json")


def test_a_folder_that_cannot_be_written_to_is_not_claimed(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != run)
    with pytest.raises(ValueError, match=r"no permission to write in .*run\."):
        claim_run(run)
