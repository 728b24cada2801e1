"""Every model's exports beside the model, on real photographs where there are any."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from kmlic.data import read_resized
from kmlic.embedding_index import EmbeddingIndex
from kmlic.explain import activation_maps
from kmlic.export import (
    check_parity,
    export_embedding_model,
    export_onnx,
    export_openvino,
    export_saved_model,
    export_tflite,
)
from kmlic.labels import to_probabilities
from tests.export.litert import foreign_operators
from tests.models.papers import LABELS, MODELS, PAPERS, SIZE
from tests.shared import SHARED

# Each runs in a process of its own that cannot import what is not the runtime's.
RUNTIMES = {
    "SavedModel": """
import tensorflow as tf
loaded = tf.saved_model.load("export/1").signatures
pixels, files = np.load("pixels.npy"), np.load("files.npz").values()
embeds = "embed" in loaded
key = "embeddings" if embeds else "probabilities"
result = loaded["embed" if embeds else "serving_default"](images=tf.constant(pixels))
contents = tf.constant([file.tobytes() for file in files])
served = loaded["embed_bytes" if embeds else "serve_bytes"](image_bytes=contents)
assert served["ok"].numpy().all()
scores = np.stack([result[key], served[key]])
""",
    "LiteRT": """
from ai_edge_litert.interpreter import Interpreter
run = Interpreter("model.tflite").get_signature_runner("serving_default")
(key,) = {"probabilities", "embeddings"} & set(run.get_output_details())
scores = [run(images=image[None])[key][0] for image in np.load("pixels.npy")]
""",
    "ONNX": """
import onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
(key,) = {"probabilities", "embeddings"} & {x.name for x in session.get_outputs()}
(scores,) = session.run([key], {"images": np.load("pixels.npy")})
""",
    "OpenVINO": """
import openvino
model = openvino.Core().compile_model(
    "openvino/model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
)
(key,) = {"probabilities", "embeddings"} & {x.get_any_name() for x in model.outputs}
scores = model({"images": np.load("pixels.npy")})[key]
""",
}


def export_saved(model, folder, labels):
    """The SavedModel of a model with labels, or of one that gives embeddings."""
    if labels is not None:
        return export_saved_model(model, folder, labels=labels)
    vectors = np.random.default_rng(1).normal(size=(7, 12))
    index = EmbeddingIndex([f"word {number}" for number in range(7)], vectors)
    return export_embedding_model(model, folder, index=index)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    photographs = sorted((SHARED / "data/apparel/images").rglob("*.jpg"))[:50]
    if photographs:
        return photographs
    path = tmp_path_factory.mktemp("photographs") / "noise.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return [path]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_export_gives_the_models_probabilities(name, photographs, tmp_path):
    model, labels = MODELS[name].build(), MODELS[name].paper.labels
    saved_model = export_saved(model, tmp_path / "export", labels)
    check_parity(model, saved_model, photographs, tolerance=1e-5)
    tflite = export_tflite(model, tmp_path / "model.tflite", labels=labels)
    check_parity(model, tflite, photographs, tolerance=1e-4)
    assert foreign_operators(tflite.read_bytes()) == []
    onnx = export_onnx(model, tmp_path / "model.onnx", labels=labels)
    check_parity(model, onnx, photographs, tolerance=1e-4)
    openvino = export_openvino(model, tmp_path / "openvino", labels=labels)
    check_parity(model, openvino, photographs, tolerance=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_every_runtime_alone_agrees_with_the_model(name, photographs, tmp_path):
    model, labels = MODELS[name].build(), MODELS[name].paper.labels
    export_saved(model, tmp_path / "export", labels)
    export_tflite(model, tmp_path / "model.tflite", labels=labels)
    export_onnx(model, tmp_path / "model.onnx", labels=labels)
    export_openvino(model, tmp_path / "openvino", labels=labels)
    pixels = [read_resized(path, SIZE) for path in photographs]
    np.save(tmp_path / "pixels.npy", np.stack(pixels))
    files = [np.frombuffer(path.read_bytes(), np.uint8) for path in photographs]
    np.savez(tmp_path / "files.npz", *files)
    outputs = model.predict(np.stack(pixels), verbose=0)
    expected = outputs if labels is None else to_probabilities(outputs, labels)
    for runtime, code in RUNTIMES.items():
        foreign = ["kmlic", "keras_cv", "spektral"]
        foreign += ["tensorflow", "keras"] * (runtime != "SavedModel")
        script = f"""
import sys
sys.modules.update(dict.fromkeys({foreign}))
import numpy as np
{code}
np.save("scores.npy", scores)
"""
        command = [sys.executable, "-I", "-c", script]
        subprocess.run(command, cwd=tmp_path, check=True)
        given = np.load(tmp_path / "scores.npy")
        difference = np.abs(given - expected).max()
        assert difference < 1e-4, f"{runtime} differs by {difference:g}"


@pytest.mark.slow
def test_decouplenet_is_exported_with_its_maps(photographs, tmp_path):
    model = MODELS["decouplenet"].build()
    pixels = np.stack([read_resized(path, SIZE) for path in photographs[:4]])
    expected = activation_maps(model, pixels)
    options = {"labels": LABELS, "maps": True}
    path = export_saved_model(model, tmp_path / "export", **options)
    loaded = tf.saved_model.load(str(path))
    served = loaded.signatures["serving_default"](images=tf.constant(pixels))
    np.testing.assert_allclose(served["maps"], expected, atol=1e-4)
    path = export_tflite(model, tmp_path / "model.tflite", **options)
    predict = Interpreter(str(path)).get_signature_runner("serving_default")
    maps = [predict(images=image[None])["maps"] for image in pixels]
    np.testing.assert_allclose(np.concatenate(maps), expected, atol=1e-4)
    assert foreign_operators(path.read_bytes()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("quantize", "tolerance"), [("float16", 1e-3), ("int8", 0.02)])
def test_msrn_survives_quantization(quantize, tolerance, photographs, tmp_path):
    model = MODELS["msrn"].build()
    pixels = [
        np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE)))
        for path in photographs[:8]
    ]
    path = export_tflite(
        model,
        tmp_path / "model.tflite",
        labels=LABELS,
        quantize=quantize,
        samples=np.stack(pixels) if quantize == "int8" else None,
    )
    check_parity(model, path, photographs, tolerance=tolerance)


@pytest.mark.slow
def test_msrns_graph_holds_neither_graph_attention_nor_diff_pool(tmp_path):
    model = MODELS["msrn"].build()
    embed = model.get_layer("label_group_embedding")
    forbidden = {"attend_1", "attend_2", "pool", "label_dense", "embed", "assign"}
    there = {part for weight in embed.weights for part in weight.path.split("/")}
    assert {"attend_1", "pool"} <= there
    path = export_saved_model(model, tmp_path, labels=LABELS)
    content = (path / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
    names = [node.variable.name for node in graph.object_graph_def.nodes]
    names += [
        node.name
        for function in graph.graph_def.library.function
        for node in function.node_def
    ]
    inside = {name for name in names if "label_group_embedding" in name}
    # The embeddings themselves, read; attend_2 to attend_4 are the branches'.
    parts = {part for name in inside for part in name.split("/")[1:]}
    assert "label_group_embedding/value" in inside
    assert not parts & forbidden
    assert not any(op in name for name in inside for op in ("MatMul", "Softmax"))
