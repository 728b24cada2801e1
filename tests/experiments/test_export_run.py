import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score

from kmlic.data import DatasetSpec, MultiLabelData
from kmlic.experiments import export_run
from kmlic.experiments.describe_data import describe_data
from kmlic.export import FORMATS, has_bfloat16, load_export
from kmlic.html_report import Section, write_report
from kmlic.labelled_arrays import write_arrays
from kmlic.labels import Labels
from kmlic.models import build_devise, score_labels
from kmlic.run_folder import Run
from tests.export.toys import random_images
from tests.predict.toys import LABELS, write_image, write_run

# The room's name for the function hides the module of the same name.
module = importlib.import_module("kmlic.experiments.export_run")
loading = importlib.import_module("kmlic.experiments.load_split")

IMAGES = tf.random.stateless_uniform((4, 8, 8, 3), (1, 2), 0, 255)
TARGETS = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
DATA = MultiLabelData(
    *[tf.data.Dataset.from_tensors((IMAGES, TARGETS))] * 3,
    LABELS,
    targets=dict.fromkeys(("train", "validation", "test"), TARGETS),
    spec=DatasetSpec("street_fashion", seed=3),
)


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


@pytest.fixture
def photographs(tmp_path):
    for index, colour in enumerate(("red", "lime", (20, 90, 250))):
        write_image(tmp_path / f"photographs/{index}.png", colour)
    return tmp_path / "photographs"


def record(run):
    Run(
        recipe="msrn",
        command="python -m recipes.msrn",
        settings={
            "dataset": "street_fashion",
            "data_dir": None,
            "batch_size": 4,
            "seeds": [3],
        },
        data={
            "seeds": {"3": describe_data(DATA)},
            "exported": {"model": "msrn", "seed": 3},
        },
        results={},
        deviations={},
        seeds={},
        per_label={},
        parameters={},
        exports={"model.tflite": 0.5},
        seconds={},
    ).write(run / "run.json")


def test_exports_all_formats_and_records_the_differences(run, photographs):
    record(run)
    forms = export_run(
        run, formats=("saved_model",), quantize=("float16",), images=[photographs]
    )
    names = [str(form.path.relative_to(run)) for form in forms]
    assert names == ["export/1", "model.float16.tflite"]
    exports = json.loads((run / "run.json").read_text())["exports"]
    assert set(exports) == {"model.tflite", *names}
    assert exports["export/1"] == forms[0].difference < 1e-6


def test_checks_with_the_runs_own_dataset(run, monkeypatch):
    record(run)
    old = Section("Exports", rows=[["model.tflite", "1.0e-99"]])
    write_report(run / "report.html", "A run", [old])
    asked = {}

    means = IMAGES.numpy().mean(axis=(1, 2))
    expected = average_precision_score(TARGETS, means, average="macro")

    def load(name, **options):
        asked.update(options, name=name)
        return DATA

    monkeypatch.setattr(loading, "load_dataset", load)
    model, form = export_run(run, formats=("tflite",), compare=True)
    assert (asked["name"], asked["seed"], asked["image_size"]) == (
        "street_fashion",
        3,
        8,
    )
    assert (model.name_in(run), form.name_in(run)) == ("model.keras", "model.tflite")
    assert model.difference == 0 and form.difference < 1e-6
    for each in (model, form):
        assert each.megabytes > 0 and each.milliseconds > 0
        assert each.mean_average_precision == pytest.approx(expected)
    written = Run.read(run / "run.json")
    assert set(written.measured) == {"model.keras", "model.tflite"}
    assert set(written.exports) == {"model.tflite"}
    for each in (model, form):
        assert written.measured[each.name_in(run)] == {
            "milliseconds": each.milliseconds,
            "mAP": pytest.approx(expected),
            "split": "validation",
        }
    (rows,) = re.findall("<tbody>(.*)</tbody>", (run / "report.html").read_text(), re.S)
    assert rows.count(f"{100 * expected:.2f}") == 2 and "1.0e-99" not in rows
    # A new export is not the one that was measured.
    export_run(run, formats=("tflite",))
    assert set(Run.read(run / "run.json").measured) == {"model.keras"}


def test_exports_the_embeddings_of_a_model_trained_on_word_vectors(
    tmp_path, photographs, run
):
    embedder = build_devise(3, image_size=32)
    labels = Labels(("red", "lime", "blue"), image_size=32)
    folder = tmp_path / "devise"
    folder.mkdir()
    score_labels(embedder, np.eye(3)).save(folder / "model.keras")
    labels.write(folder / "labels.json")
    write_arrays(folder / "words.npz", labels.names, {"vectors": np.eye(3)})
    options = {"images": [photographs], "embeddings": True}
    forms = export_run(folder, formats=("saved_model", "onnx", "openvino"), **options)
    names = [form.name_in(folder) for form in forms if form.precision == "float32"]
    assert names == [f"embedding/{x}" for x in ("export/1", "model.onnx", "openvino")]
    images = random_images(2, 32)
    expected = np.asarray(embedder(images))
    for form in forms[:3]:
        given = load_export(form.path)(images)
        np.testing.assert_allclose(given, expected, atol=1e-4 * np.abs(expected).max())
    with pytest.raises(ValueError, match="`embeddings` must be False"):
        export_run(run, **options)


def test_what_was_measured_of_the_model_is_not_replaced_by_its_embedding(
    run, photographs, monkeypatch
):
    record(run)
    own = {"milliseconds": 3.0, "mAP": 0.5, "split": "test"}
    before = Run.read(run / "run.json")
    dataclasses.replace(before, measured={"model.keras": own}).write(run / "run.json")
    part = lambda folder, model, labels: (model, None)  # noqa: E731
    monkeypatch.setattr(module, "_embedding", part)
    options = {"images": [photographs], "embeddings": True, "compare": True}
    exports = export_run(run, formats=("tflite",), **options)
    assert len(exports) == 2
    measured = Run.read(run / "run.json").measured
    assert measured["model.keras"] == own
    assert set(measured) == {"model.keras", "embedding/model.tflite"}


def test_a_folder_that_cannot_be_written_is_refused_before_the_model_is_read(
    run, photographs, monkeypatch
):
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != run and access(path, mode)
    )
    monkeypatch.setattr(module, "load_run", None)
    with pytest.raises(ValueError, match=rf"no permission to write in {run}\."):
        export_run(run, images=[photographs])


def test_says_which_export_exceeds_its_tolerance(run, photographs, monkeypatch):
    strict = dataclasses.replace(FORMATS["tflite"], tolerances={"float32": -1.0})
    monkeypatch.setitem(FORMATS, "tflite", strict)
    with pytest.raises(ValueError, match=r"model\.tflite must return the model's"):
        export_run(run, formats=("tflite",), images=[photographs])
    assert not (run / "model.tflite").exists()


def test_refuses_to_export_nothing(run):
    with pytest.raises(ValueError, match="at least one format"):
        export_run(run, formats=())


def test_says_which_model_has_no_maps_to_export(run, photographs):
    with pytest.raises(ValueError, match="`maps` must be False"):
        export_run(run, images=[photographs], maps=True)


def test_compares_with_images_alone_where_there_is_no_dataset(run, photographs):
    model, form, *others = export_run(
        run, formats=("openvino",), images=[photographs], compare=True
    )
    assert form.name_in(run) == "openvino" and form.milliseconds > 0
    assert np.isnan(model.mean_average_precision)
    names = [other.name_in(run) for other in others]
    assert names == ["openvino (bfloat16)"] * has_bfloat16()


def in_another_process(code, run):
    command = [sys.executable, "-c", f"import sys; {code}", str(run)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_run_that_another_process_writes_is_not_exported(run, photographs):
    begin = (
        "from kmlic.run_folder import RunFolder; folder = RunFolder(sys.argv[1]); "
        "folder.begin({}); print(flush=True); sys.stdin.read()"
    )
    record(run)
    before = sorted(run.rglob("*"))
    with in_another_process(begin, run) as other:
        other.stdout.readline()
        with pytest.raises(
            ValueError, match=rf"run is being written .* \({other.pid} on"
        ):
            export_run(run, images=[photographs])
        other.communicate()
    assert sorted(run.rglob("*")) == before
    assert not list(run.parent.glob(".run*"))


def test_a_run_that_is_exported_is_not_written_by_others(run, photographs, monkeypatch):
    begin = "from kmlic.run_folder import RunFolder; RunFolder(sys.argv[1]).begin({})"
    record(run)
    messages = []

    def export_checked(*arguments):
        with in_another_process(begin, run) as other:
            messages.append(other.communicate()[1].decode())
        return []

    monkeypatch.setattr(module, "export_checked", export_checked)
    export_run(run, formats=("tflite",), images=[photographs])
    assert f"is being written by another process ({os.getpid()} on" in messages[0]
    assert not list(run.parent.glob(".run*"))
