import numpy as np
import openvino
import pytest

from kmlic.export import check_parity, export_openvino, read_labels
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


def run(folder, images):
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    path = folder / "model.xml"
    compiled = openvino.Core().compile_model(path, "CPU", options)
    results = compiled({"images": images}).items()
    return {output.get_any_name(): value for output, value in results}


@pytest.mark.parametrize("count", [1, 5])
def test_gives_the_probabilities_of_the_model_for_any_batch(
    model, openvino_folder, count
):
    images = random_images(count)
    outputs = run(openvino_folder, images)
    assert list(outputs) == ["probabilities"]
    expected = probabilities_of(model, images)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)


def test_holds_its_labels_and_weights_of_32_bits(openvino_folder):
    assert read_labels(openvino_folder) == LABELS
    files = sorted(file.name for file in openvino_folder.iterdir())
    assert files == ["model.bin", "model.xml"]
    model = openvino.Core().read_model(openvino_folder / "model.xml")
    types = {
        node.get_element_type().get_type_name()
        for node in model.get_ops()
        if node.get_type_name() == "Constant"
    }
    assert "f32" in types and "f16" not in types


def test_gives_maps_and_exclusive_groups_by_name(tmp_path):
    model, images = maps_model(), random_images(2)
    path = export_openvino(model, tmp_path / "maps", labels=LABELS, maps=True)
    maps = run(path, images)["maps"]
    np.testing.assert_allclose(maps, maps_of(model, images), atol=1e-5)
    model = tiny_model(5)
    path = export_openvino(model, tmp_path / "groups", labels=EXCLUSIVE)
    outputs = run(path, images)
    for group, probabilities in group_probabilities_of(model, images).items():
        found = outputs[f"{group}_probabilities"]
        np.testing.assert_allclose(found, probabilities, atol=1e-5)
    assert check_parity(model, path, images) < 1e-5


def test_gives_embeddings_without_labels(model, tmp_path):
    path = export_openvino(model, tmp_path / "embedding", labels=None)
    images = random_images(3)
    np.testing.assert_allclose(
        run(path, images)["embeddings"], model(images), atol=1e-5
    )
    assert check_parity(model, path, images) < 1e-5


def test_replaces_what_was_there_and_leaves_nothing_else(model, tmp_path):
    folder = tmp_path / "openvino"
    folder.mkdir()
    (folder / "stale.txt").touch()
    export_openvino(model, folder, labels=LABELS)
    assert {file.name for file in folder.iterdir()} == {"model.bin", "model.xml"}
    assert list(tmp_path.iterdir()) == [folder]
