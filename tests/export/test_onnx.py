import onnx
import pytest

from kmlic.export import export_onnx, read_labels
from tests.export.toys import LABELS


def test_holds_its_labels_and_standard_operators_without_the_graph(onnx_file):
    content = onnx.load(onnx_file)
    onnx.checker.check_model(content)
    assert read_labels(onnx_file) == LABELS
    assert {node.domain for node in content.graph.node} == {""}
    assert "CumSum" not in {node.op_type for node in content.graph.node}
    assert [file.name for file in onnx_file.parent.iterdir()] == ["model.onnx"]


def test_refuses_another_suffix(model, tmp_path):
    with pytest.raises(ValueError, match=r"must end with \.onnx; got .*model\.pb"):
        export_onnx(model, tmp_path / "model.pb", labels=LABELS)
