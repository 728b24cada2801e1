import sys

import numpy as np
import pytest

from kmlic.export import (
    ServingOptions,
    export_onnx,
    export_openvino,
    export_saved_model,
    export_tflite,
    has_bfloat16,
)
from kmlic.labels import Labels
from kmlic.predict import load_run, load_scorer, predict_paths
from kmlic.predict.load_scorer import RUNTIMES
from tests.predict.toys import write_image, write_run

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("run") / "run")
    model, labels = load_run(run)
    for version in (9, 10):
        serving = ServingOptions(version=version)
        export_saved_model(model, run / "export", labels=labels, serving=serving)
    export_tflite(model, run / "model.tflite", labels=labels)
    export_onnx(model, run / "model.onnx", labels=labels)
    export_openvino(model, run / "openvino", labels=labels)
    return run


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_gives_the_same_scores(run, runtime, tmp_path):
    scorer = load_scorer(run, runtime=runtime)
    tolerance = 0.01 if runtime == "openvino" and has_bfloat16() else 1e-6
    expected = load_scorer(run).score(IMAGES)
    np.testing.assert_allclose(scorer.score(IMAGES), expected, atol=tolerance)
    image = write_image(tmp_path / "yellow.png", (255, 255, 0))
    (row,) = predict_paths(scorer, [image])
    assert row.labels == ("red", "green")


def test_takes_the_thresholds_of_the_run_and_refuses_other_names(tmp_path):
    run = write_run(tmp_path / "run")
    model, labels = load_run(run)
    export_tflite(model, run / "model.tflite", labels=labels)
    changed = Labels(labels.names, thresholds=(0.1, 0.2, 0.3), image_size=8)
    changed.write(run / "labels.json")
    assert load_scorer(run, runtime="tflite").labels == changed
    Labels(("red", "green", "violet"), image_size=8).write(run / "labels.json")
    with pytest.raises(ValueError, match="'violet' here and 'blue' there"):
        load_scorer(run, runtime="tflite")


@pytest.mark.parametrize(
    ("runtime", "format"),
    [("onnx", "onnx"), ("openvino_float32", "openvino"), ("saved_model",) * 2],
)
def test_says_how_to_export_what_is_missing(tmp_path, runtime, format):
    run = write_run(tmp_path / "run")
    with pytest.raises(ValueError, match=f"kmlic export .*run --formats {format}"):
        load_scorer(run, runtime=runtime)


def test_says_which_runtimes_there_are(run):
    with pytest.raises(ValueError, match=r"'keras', .*got runtime='torch'"):
        load_scorer(run, runtime="torch")
    with pytest.raises(ValueError, match="no such folder"):
        load_scorer(run / "absent", runtime="onnx")


@pytest.mark.parametrize(
    ("runtime", "extra"), [("openvino", "openvino"), ("onnx", "onnx")]
)
def test_names_the_extra_that_is_missing(run, runtime, extra, monkeypatch):
    for package in ("openvino", "onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"kmlic\[{extra}\]"):
        load_scorer(run, runtime=runtime)
