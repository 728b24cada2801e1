import dataclasses

import numpy as np
import pytest
from PIL import Image

from kmlic.export import FORMATS, Export, ExportOptions, export_checked, has_bfloat16
from kmlic.labels import Labels
from tests.export.toys import LABELS, random_images


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
