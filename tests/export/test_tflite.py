import zipfile

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kmlic.export import check_parity, export_tflite, read_labels
from kmlic.labels import Labels
from tests.export.litert import foreign_operators, operators
from tests.export.toys import (
    EXCLUSIVE,
    LABELS,
    Determinant,
    flat_images,
    group_probabilities_of,
    maps_model,
    maps_of,
    probabilities_of,
    random_images,
    tiny_model,
    wide_model,
)


def run(path, images):
    predict = Interpreter(str(path)).get_signature_runner("serving_default")
    rows = [predict(images=image[None])["probabilities"] for image in images]
    return np.concatenate(rows)


def test_gives_the_probabilities_of_the_model(model, tflite):
    images = random_images()
    np.testing.assert_allclose(
        run(tflite, images), probabilities_of(model, images), atol=1e-5
    )
    assert read_labels(tflite) == LABELS
    assert foreign_operators(tflite.read_bytes()) == []
    found = set(operators(tflite.read_bytes()))
    assert {"CONV_2D", "FULLY_CONNECTED", "LOGISTIC"} <= found and "CUMSUM" not in found
    assert [file.name for file in tflite.parent.iterdir()] == ["model.tflite"]


def test_names_are_an_associated_file(tflite):
    with zipfile.ZipFile(tflite) as archive:
        assert archive.namelist() == ["labels.txt"]
        names = archive.read("labels.txt").decode().split("\n")
    assert names == [*LABELS.names, ""]


def test_gives_the_maps_on_request(tmp_path):
    model, images = maps_model(), random_images(1)
    path = tmp_path / "model.tflite"
    export_tflite(model, path, labels=LABELS, maps=True)
    result = Interpreter(str(path)).get_signature_runner("serving_default")(
        images=images
    )
    np.testing.assert_allclose(result["maps"], maps_of(model, images), atol=1e-5)
    expected = probabilities_of(model, images)
    np.testing.assert_allclose(result["probabilities"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("quantize", "tolerance"), [("float16", 1e-3), ("dynamic", 1e-2), ("int8", 2e-2)]
)
def test_quantizes(model, tmp_path, quantize, tolerance):
    images = random_images(8)
    path = export_tflite(
        model,
        tmp_path / "model.tflite",
        labels=LABELS,
        quantize=quantize,
        samples=images if quantize == "int8" else None,
    )
    difference = np.abs(run(path, images) - probabilities_of(model, images)).max()
    assert 0 < difference < tolerance
    assert read_labels(path) == LABELS


@pytest.mark.parametrize("quantize", ["dynamic", "int8"])
def test_keeps_weights_of_very_different_sizes(tmp_path, quantize):
    images = flat_images()
    model = wide_model()
    # A feature that these images do not show counts a thousand times as much.
    kernel, bias = model.get_layer("logits").get_weights()
    kernel[0] = 1000 * np.abs(kernel).max()
    model.get_layer("logits").set_weights([kernel, bias])
    weights, biases = model.get_layer("conv").get_weights()
    biases[0] = -1e3
    model.get_layer("conv").set_weights([weights, biases])
    labels = Labels(tuple("abcd"), image_size=16)
    samples = images if quantize == "int8" else None
    path = tmp_path / "model.tflite"
    export_tflite(model, path, labels=labels, quantize=quantize, samples=samples)
    difference = np.abs(run(path, images) - probabilities_of(model, images)).max()
    assert 0 < difference < 0.1


def test_names_the_operators_that_litert_lacks(tmp_path):
    model = tiny_model(offset=Determinant)
    with pytest.raises(ValueError, match="MatrixDeterminant"):
        export_tflite(model, tmp_path / "model.tflite", labels=LABELS)
    assert list(tmp_path.iterdir()) == []


def test_says_how_many_labels_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="2 labels for 3 logits"):
        export_tflite(
            tiny_model(), tmp_path / "model.tflite", labels=Labels(("a", "b"))
        )


def test_says_which_samples_int8_needs(tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(ValueError, match=r"\(N, 16, 16, 3\).*got None"):
        export_tflite(tiny_model(), path, labels=LABELS, quantize="int8")
    with pytest.raises(ValueError, match="'int8' only; got quantize='float16'"):
        export_tflite(
            tiny_model(),
            path,
            labels=LABELS,
            quantize="float16",
            samples=random_images(),
        )


def test_refuses_a_model_of_no_fixed_size(tmp_path):
    with pytest.raises(ValueError, match=r"squares of one size.*None, None, None, 3"):
        export_tflite(
            tiny_model(size=None),
            tmp_path / "model.tflite",
            labels=Labels(LABELS.names),
        )


def test_gives_exclusive_groups_by_name(tmp_path):
    model, images = tiny_model(5), random_images()
    path = export_tflite(model, tmp_path / "model.tflite", labels=EXCLUSIVE)
    predict = Interpreter(str(path)).get_signature_runner("serving_default")
    rows = [predict(images=image[None]) for image in images]
    for group, probabilities in group_probabilities_of(model, images).items():
        found = np.concatenate([row[f"{group}_probabilities"] for row in rows])
        np.testing.assert_allclose(found, probabilities, atol=1e-5)
    assert check_parity(model, path, images, tolerance=1e-5) < 1e-5
    assert read_labels(path) == EXCLUSIVE


def test_keeps_labels_of_any_script(model, tmp_path):
    labels = Labels(("größe", "色", "c"), {"g": ("色",)}, (0.1, 0.2, 0.3), 16)
    path = export_tflite(model, tmp_path / "model.tflite", labels=labels)
    assert read_labels(path) == labels
