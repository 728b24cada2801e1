import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from kmlic.export import export_onnx, read_labels
from kmlic.labels import to_probabilities
from tests.export.toys import LABELS


def test_holds_its_labels_and_standard_operators_without_the_graph(onnx_file):
    content = onnx.load(onnx_file)
    onnx.checker.check_model(content)
    assert read_labels(onnx_file) == LABELS
    assert {node.domain for node in content.graph.node} == {""}
    assert "CumSum" not in {node.op_type for node in content.graph.node}
    assert [file.name for file in onnx_file.parent.iterdir()] == ["model.onnx"]


def test_names_the_batch(onnx_file):
    graph = onnx.load(onnx_file).graph
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_refuses_another_suffix(model, tmp_path):
    with pytest.raises(ValueError, match=r"must end with \.onnx; got .*model\.pb"):
        export_onnx(model, tmp_path / "model.pb", labels=LABELS)


@keras.saving.register_keras_serializable(package="kmlic_tests")
class LargeOffset(keras.layers.Layer):
    """Adds an array that it holds, larger than TensorFlow copies into a graph."""

    def build(self, input_shape):
        ramp = np.linspace(-1, 1, 256, dtype="float32").reshape(16, 16, 1)
        self.offset = keras.ops.convert_to_tensor(ramp)

    def call(self, inputs):
        return inputs + self.offset


def test_writes_the_exact_gelu_and_the_arrays_of_layers(tmp_path):
    images = keras.Input((16, 16, 3), name="images")
    x = LargeOffset()(keras.layers.Rescaling(1 / 255)(images))
    x = keras.layers.Conv2D(4, 5, activation="gelu")(x)  # 1 - erf, erfc of TensorFlow
    logits = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(images, logits)
    path = export_onnx(model, tmp_path / "model.onnx", labels=LABELS)
    session = onnxruntime.InferenceSession(path)
    assert [each.name for each in session.get_inputs()] == ["images"]
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    (found,) = session.run(None, {"images": pixels})
    expected = to_probabilities(np.asarray(model(pixels)), LABELS)
    np.testing.assert_allclose(found, expected, atol=1e-6)
