import dataclasses
import os
import sys

import numpy as np
import pytest
from PIL import Image

from kmlic.atomic_write import atomic_write, remove
from kmlic.export import FORMATS, Export, ExportOptions, export_checked, has_bfloat16
from kmlic.labels import Labels
from tests.export.toys import LABELS, random_images
from tests.kills import kills

module = sys.modules["kmlic.export.export_checked"]
F32 = "float32"


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.iterdir())


@pytest.mark.parametrize(
    ("format", "quantize", "name"),
    [
        ("saved_model", None, "export"),
        ("tflite", None, "model.tflite"),
        ("tflite", "int8", "model.int8.tflite"),
        ("onnx", None, "model.onnx"),
        ("openvino", None, "openvino"),
    ],
)
def test_writes_an_export_and_says_how_far_it_differs(
    model, tmp_path, format, quantize, name
):
    options = ExportOptions(LABELS, random_images(5, 21), quantize)
    first, *others = export_checked(model, tmp_path, format, options)
    assert names(tmp_path) == [name]
    tolerances = {**FORMATS[format].tolerances, **FORMATS[format].quantizations}
    assert 0 <= first.difference <= tolerances[quantize or "float32"]
    assert first.path.exists() and first.path.is_relative_to(tmp_path / name)
    if format == "openvino" and has_bfloat16():
        (other,) = others
        assert other.name_in(tmp_path) == "openvino (bfloat16)"
        assert first.difference < other.difference < 0.02
    else:
        assert others == []
    again, *_ = export_checked(model, tmp_path, format, options)
    assert names(tmp_path) == [name]
    assert again.path.name == ("2" if format == "saved_model" else first.path.name)


def test_compares_with_image_files(model, tmp_path):
    paths = []
    for index, image in enumerate(random_images(3, 25)):
        paths.append(tmp_path / f"{index}.jpg")
        Image.fromarray(image[: 20 + index].astype("uint8")).save(paths[-1])
    options = ExportOptions(LABELS, paths)
    (export,) = export_checked(model, tmp_path / "run", "saved_model", options)
    assert export.difference < 1e-5
    options = dataclasses.replace(options, quantize="int8")
    (export,) = export_checked(model, tmp_path / "run", "tflite", options)
    assert export.difference < 0.1


@pytest.mark.parametrize("format", ["saved_model", "onnx"])
def test_leaves_nothing_that_exceeds_the_tolerance(
    model, tmp_path, monkeypatch, format
):
    strict = dataclasses.replace(FORMATS[format], tolerances={"float32": -1.0})
    monkeypatch.setitem(FORMATS, format, strict)
    with pytest.raises(ValueError, match="must return the model's scores within"):
        export_checked(model, tmp_path, format, ExportOptions(LABELS, random_images(1)))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("format", ["saved_model", "tflite", "openvino"])
def test_a_kill_at_any_point_leaves_exports_that_are_complete(
    tmp_path, monkeypatch, format
):
    content = {"saved_model": "saved_model.pb", "openvino": "model.xml"}.get(format)

    def write(text, path, options):
        with atomic_write(path, folder_with=content) as temporary:
            if content is not None:
                temporary.mkdir()
                (temporary / "model.bin").write_text(text)
                temporary /= content
            temporary.write_text(text)

    own = dataclasses.replace(FORMATS[format], write=write, precisions=lambda: [F32])
    monkeypatch.setitem(FORMATS, format, own)
    monkeypatch.setattr(module, "check_parity", lambda *_, **options: 0.0)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    options = ExportOptions(LABELS, random_images(1))

    def export(text):
        export_checked(text, tmp_path, format, options)

    def read():
        path = own.newest_path(tmp_path)
        if content is None:
            return path.read_text()
        assert (path / "model.bin").read_text() == (path / content).read_text()
        return (path / content).read_text()

    export("old")
    seen = []
    for _ in kills(lambda: "new", export):
        seen.append(read())  # at every moment
        export("again")
        assert read() == "again"
        assert {path.name[0] for path in tmp_path.rglob("*")} <= {*"msoe123456789"}
        for path in tmp_path.iterdir():
            remove(path)
        export("old")
    assert {*seen} == {"old", "new"}
    assert seen == sorted(seen, reverse=True)


def test_replaces_nothing_that_is_no_export(model, tmp_path):
    (tmp_path / "model.onnx").mkdir()
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino/mine.txt").touch()
    options = ExportOptions(LABELS, random_images(1))
    for format in ("onnx", "openvino"):
        with pytest.raises(ValueError, match="or not exist yet; something else is"):
            export_checked(model, tmp_path, format, options)
    assert len(list(tmp_path.rglob("*"))) == 3
    (tmp_path / "openvino/model.xml").touch()
    with pytest.raises(ValueError, match=r"it also holds mine\.txt"):
        export_checked(model, tmp_path, "openvino", options)
    assert len(list(tmp_path.rglob("*"))) == 4


def test_refuses_what_does_not_fit(model, tmp_path):
    options = ExportOptions(LABELS, random_images(1))
    int8 = dataclasses.replace(options, quantize="int8")
    with pytest.raises(ValueError, match="format='onnx'; got quantize='int8'"):
        export_checked(model, tmp_path, "onnx", int8)
    with pytest.raises(ValueError, match="got format='torch'"):
        export_checked(model, tmp_path, "torch", options)
    other = dataclasses.replace(options, labels=Labels(("a", "b")))
    with pytest.raises(ValueError, match="2 labels for 3 logits"):
        export_checked(model, tmp_path, "onnx", other)


def test_names_exports_by_path_and_precision(tmp_path):
    export = Export(tmp_path / "export/3", 0.0)
    assert export.name_in(tmp_path) == "export/3"
    assert np.isnan(export.megabytes)
