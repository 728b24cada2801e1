"""What every runtime beside TensorFlow must give."""

import numpy as np
import onnxruntime
import pytest

from kmlic.export import check_parity, export_onnx, export_openvino, read_labels
from kmlic.export.openvino import _core  # one core for a process
from tests.export.toys import (
    EXCLUSIVE,
    LABELS,
    group_probabilities_of,
    maps_model,
    maps_of,
    probabilities_of,
    random_images,
    tiny_model,
)


def run_onnx(path, images):
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


def run_openvino(folder, images):
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    path = folder / "model.xml"
    compiled = _core().compile_model(path, "CPU", options)
    results = compiled({"images": images}).items()
    return {output.get_any_name(): value for output, value in results}


FORMS = {
    "onnx": (export_onnx, run_onnx, "model.onnx"),
    "openvino": (export_openvino, run_openvino, "openvino"),
}


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("name", FORMS)
def test_gives_the_probabilities_of_the_model_for_any_batch(
    model, onnx_file, openvino_folder, name, count
):
    path = {"onnx": onnx_file, "openvino": openvino_folder}[name]
    images = random_images(count)
    outputs = FORMS[name][1](path, images)
    assert list(outputs) == ["probabilities"]
    expected = probabilities_of(model, images)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)


def test_gives_maps_and_exclusive_groups_by_name(form, tmp_path):
    export, run, name = form
    model, images = maps_model(), random_images(2)
    path = export(model, tmp_path / "maps" / name, labels=LABELS, maps=True)
    maps = run(path, images)["maps"]
    np.testing.assert_allclose(maps, maps_of(model, images), atol=1e-5)
    model = tiny_model(5)
    path = export(model, tmp_path / "groups" / name, labels=EXCLUSIVE)
    outputs = run(path, images)
    for group, probabilities in group_probabilities_of(model, images).items():
        found = outputs[f"{group}_probabilities"]
        np.testing.assert_allclose(found, probabilities, atol=1e-5)
    assert check_parity(model, path, images) < 1e-5


def test_gives_embeddings_without_labels(form, model, tmp_path):
    export, run, name = form
    path = export(model, tmp_path / name, labels=None)
    images = random_images(3)
    np.testing.assert_allclose(
        run(path, images)["embeddings"], model(images), atol=1e-5
    )
    assert check_parity(model, path, images) < 1e-5
    with pytest.raises(ValueError, match=r"holds no labels\.json"):
        read_labels(path)
