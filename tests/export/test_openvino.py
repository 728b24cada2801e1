import openvino

from kmlic.export import export_openvino, read_labels
from tests.export.toys import LABELS


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


def test_replaces_an_earlier_export_and_leaves_nothing_else(model, tmp_path):
    folder = tmp_path / "openvino"
    folder.mkdir()
    for name in ("model.xml", "stale.txt"):
        (folder / name).touch()
    export_openvino(model, folder, labels=LABELS)
    assert {file.name for file in folder.iterdir()} == {"model.bin", "model.xml"}
    assert list(tmp_path.iterdir()) == [folder]
