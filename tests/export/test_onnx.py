import numpy as np
import onnx
import onnxruntime
import pytest

from kmlic.export import check_parity, export_onnx, read_labels
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


def run(path, images):
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


@pytest.mark.parametrize("count", [1, 5])
def test_gives_the_probabilities_of_the_model_for_any_batch(model, onnx_file, count):
    images = random_images(count)
    outputs = run(onnx_file, images)
    assert list(outputs) == ["probabilities"]
    expected = probabilities_of(model, images)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)


def test_holds_its_labels_and_standard_operators_without_the_graph(onnx_file):
    content = onnx.load(onnx_file)
    onnx.checker.check_model(content)
    assert read_labels(onnx_file) == LABELS
    assert {node.domain for node in content.graph.node} == {""}
    assert "CumSum" not in {node.op_type for node in content.graph.node}
    assert [file.name for file in onnx_file.parent.iterdir()] == ["model.onnx"]


def test_gives_maps_and_exclusive_groups_by_name(tmp_path):
    model, images = maps_model(), random_images(2)
    path = export_onnx(model, tmp_path / "maps.onnx", labels=LABELS, maps=True)
    maps = run(path, images)["maps"]
    np.testing.assert_allclose(maps, maps_of(model, images), atol=1e-5)
    model = tiny_model(5)
    path = export_onnx(model, tmp_path / "groups.onnx", labels=EXCLUSIVE)
    outputs = run(path, images)
    for group, probabilities in group_probabilities_of(model, images).items():
        found = outputs[f"{group}_probabilities"]
        np.testing.assert_allclose(found, probabilities, atol=1e-5)
    assert check_parity(model, path, images) < 1e-5


def test_gives_embeddings_without_labels(model, tmp_path):
    path = export_onnx(model, tmp_path / "embedding.onnx", labels=None)
    images = random_images(3)
    np.testing.assert_allclose(
        run(path, images)["embeddings"], model(images), atol=1e-5
    )
    assert check_parity(model, path, images) < 1e-5
    with pytest.raises(ValueError, match=r"holds no labels\.json"):
        read_labels(path)


def test_refuses_another_suffix(model, tmp_path):
    with pytest.raises(ValueError, match=r"must end with \.onnx; got .*model\.pb"):
        export_onnx(model, tmp_path / "model.pb", labels=LABELS)
