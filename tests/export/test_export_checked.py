import importlib

import numpy as np
import pytest
from PIL import Image

from kmlic.export import TOLERANCES, Form, export_checked, has_bfloat16
from kmlic.labels import Labels
from tests.export.toys import LABELS, random_images

# The room's name for the function hides the module of the same name.
module = importlib.import_module("kmlic.export.export_checked")


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.iterdir())


@pytest.mark.parametrize(
    ("form", "quantize", "name"),
    [
        ("saved_model", None, "export"),
        ("tflite", None, "model.tflite"),
        ("tflite", "int8", "model.int8.tflite"),
        ("onnx", None, "model.onnx"),
        ("openvino", None, "openvino"),
    ],
)
def test_writes_a_form_and_says_how_far_it_strays(
    model, tmp_path, form, quantize, name
):
    options = {"labels": LABELS, "images": random_images(5, 21), "quantize": quantize}
    first, *others = export_checked(model, tmp_path, form, **options)
    assert names(tmp_path) == [name]
    assert 0 <= first.difference <= TOLERANCES[quantize or "float32"]
    assert first.path.exists() and first.path.is_relative_to(tmp_path / name)
    if form == "openvino" and has_bfloat16():
        (other,) = others
        assert other.name_in(tmp_path) == "openvino (bfloat16)"
        assert first.difference < other.difference < 0.02
    else:
        assert others == []
    again, *_ = export_checked(model, tmp_path, form, **options)
    assert names(tmp_path) == [name]
    assert again.path.name == ("2" if form == "saved_model" else first.path.name)


def test_compares_with_image_files(model, tmp_path):
    paths = []
    for index, image in enumerate(random_images(3, 25)):
        paths.append(tmp_path / f"{index}.jpg")
        Image.fromarray(image[: 20 + index].astype("uint8")).save(paths[-1])
    options = {"labels": LABELS, "images": paths}
    (form,) = export_checked(model, tmp_path / "run", "saved_model", **options)
    assert form.difference < 1e-5
    (form,) = export_checked(
        model, tmp_path / "run", "tflite", quantize="int8", **options
    )
    assert form.difference < 0.1


@pytest.mark.parametrize("form", ["saved_model", "onnx"])
def test_leaves_nothing_of_a_form_that_strays(model, tmp_path, monkeypatch, form):
    monkeypatch.setitem(module.TOLERANCES, "float32", -1.0)
    with pytest.raises(ValueError, match="must give the model's scores within"):
        export_checked(model, tmp_path, form, labels=LABELS, images=random_images(1))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_refuses_what_does_not_fit(model, tmp_path):
    options = {"labels": LABELS, "images": random_images(1)}
    with pytest.raises(ValueError, match="got form='onnx'"):
        export_checked(model, tmp_path, "onnx", quantize="int8", **options)
    with pytest.raises(ValueError, match="got form='torch'"):
        export_checked(model, tmp_path, "torch", **options)
    with pytest.raises(ValueError, match="2 labels for 3 logits"):
        export_checked(
            model, tmp_path, "onnx", labels=Labels(("a", "b")), images=options["images"]
        )


def test_names_forms_by_path_and_precision(tmp_path):
    form = Form(tmp_path / "export/3", 0.0)
    assert form.name_in(tmp_path) == "export/3"
    assert np.isnan(form.megabytes)
