import importlib.util
import json
import os

import pytest

from kmlic.predict import choose_runtime
from kmlic.run_folder import Run
from tests.predict.toys import write_run


@pytest.fixture
def run(tmp_path):
    """A run folder whose model and exports were written in this order."""
    folder = write_run(tmp_path / "run")
    fields = "recipe command settings data results deviations seeds per_label"
    empty = {**{name: {} for name in fields.split()}, "recipe": "a", "command": "a"}
    Run(**empty, parameters={}, exports={}, seconds={}).write(folder / "run.json")
    for age, name in enumerate(
        ("model.onnx", "model.tflite", "openvino", "model.keras")
    ):
        (folder / name).touch()
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    return folder


def record(run, **exports):
    content = json.loads((run / "run.json").read_text())
    content["exports"] = {name.replace("_", "."): x for name, x in exports.items()}
    (run / "run.json").write_text(json.dumps(content))


def test_takes_an_export_that_was_compared_with_the_model(run):
    assert choose_runtime(run) == "keras"
    record(run, openvino=1e-6)
    assert choose_runtime(run) == "openvino_float32"
    record(run, openvino=1e-6, model_tflite=1e-6)
    assert choose_runtime(run) == "tflite"
    record(run, openvino=1e-6, model_tflite=1e-6, model_onnx=1e-4)
    assert choose_runtime(run) == "onnx"


def test_leaves_an_export_that_is_different_older_or_cannot_run(run, monkeypatch):
    record(run, model_tflite=1.1e-4)
    assert choose_runtime(run) == "keras"
    record(run, model_tflite=1e-6)
    os.utime(run / "model.keras", (2e9, 2e9))
    assert choose_runtime(run) == "keras"
    (run / "model.keras").unlink()
    assert choose_runtime(run) == "tflite"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert choose_runtime(run) == "keras"


def test_leaves_exports_without_a_record_that_can_be_read(run):
    record(run, model_tflite=1e-6)
    (run / "run.json").write_text("{")
    assert choose_runtime(run) == "keras"
    (run / "run.json").unlink()
    assert choose_runtime(run) == "keras"
