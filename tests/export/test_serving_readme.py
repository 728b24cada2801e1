"""The examples in an export's README, run against a server that runs the export."""

import concurrent.futures
import http.server
import json
import re
import shutil
import subprocess
import threading

import grpc
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from kmlic.data import read_resized
from kmlic.export.servable import Servable, ServingOptions, answer_spec
from kmlic.export.serving_readme import write_readme
from tests.export.toys import probabilities_of, random_images


@pytest.fixture
def photo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "photo.jpg"
    Image.fromarray(random_images(1, 30)[0].astype("uint8")).save(path)
    return path


def block(folder, language, containing):
    text = (folder / "README.md").read_text()
    (found,) = [
        code
        for code in re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
        if containing in code
    ]
    return found


def expected_for(model, photo):
    pixels = read_resized(photo, 16)
    return probabilities_of(model, pixels[None])


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers as TF Serving does: one signature, tensors by name."""

    def __init__(self, folder):
        self.loaded = tf.saved_model.load(str(folder))
        self.names = []

    def Predict(self, request, context):  # noqa: N802
        self.names.append(request.model_spec.name)
        signature = self.loaded.signatures[request.model_spec.signature_name]
        inputs = {
            key: tf.constant(tf.make_ndarray(value))
            for key, value in request.inputs.items()
        }
        response = predict_pb2.PredictResponse()
        for key, value in signature(**inputs).items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response


def test_the_grpc_example_gets_the_models_probabilities(model, saved_model, photo):
    code = block(saved_model, "python", "grpc")
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    service = Service(saved_model)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    names = {}
    try:
        exec(code.replace("localhost:8500", f"127.0.0.1:{port}"), names)
    finally:
        server.stop(None)
    outputs = names["response"].outputs
    assert set(outputs) == {"probabilities", "labels", "ok"}
    np.testing.assert_allclose(
        tf.make_ndarray(outputs["probabilities"]), expected_for(model, photo), atol=1e-5
    )
    assert service.names == [model.name]


def test_the_rest_example_asks_for_what_the_signature_takes(model, saved_model, photo):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    asked = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            asked[self.path] = json.loads(self.rfile.read(length))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        address = f"127.0.0.1:{server.server_port}"
        script = block(saved_model, "bash", "curl").replace("localhost:8501", address)
        subprocess.run(["bash", "-euc", script], check=True)
        thread.join()
    ((path, body),) = asked.items()
    assert path == f"/v1/models/{model.name}:predict"
    (instance,) = body["instances"]
    decoded = tf.io.decode_base64(
        instance["b64"].rstrip("=").replace("+", "-").replace("/", "_")
    )
    assert decoded.numpy() == photo.read_bytes()
    signature = tf.saved_model.load(str(saved_model)).signatures[body["signature_name"]]
    _, inputs = signature.structured_input_signature
    assert list(inputs) == ["image_bytes"]


def test_lists_every_signature_with_its_outputs(saved_model):
    text = (saved_model / "README.md").read_text()
    signatures = tf.saved_model.load(str(saved_model)).signatures
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, flags=re.MULTILINE))
    assert set(rows) == set(signatures)
    for name, signature in signatures.items():
        given = set(re.findall(r"`(\w+)`", rows[name].split("|")[1]))
        assert given == set(signature.structured_outputs)
    assert "(B, 3)" in text and "50,000,000 bytes" in text
    assert "`predictions` has `probabilities`, `labels`, `ok`." in text


def test_makes_a_name_that_a_url_can_hold(tmp_path):
    @tf.function(input_signature=answer_spec(8))
    def answer(images, ok):
        return {"ok": ok}

    servable = Servable(
        keras.Model(name="my model"),
        image_size=8,
        signatures={"serve_bytes": (tf.string, answer)},
        about="It sees.",
        meaning="",
    )
    write_readme(tmp_path, servable, 7, ServingOptions())
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# my_model, version 7\n")
    assert "models/my_model:predict" in text
