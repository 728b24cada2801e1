"""One tiny model and its exports, written once for all tests that only read them."""

import pytest

from kmlic.export import (
    export_onnx,
    export_openvino,
    export_saved_model,
    export_tflite,
)
from tests.export.toys import LABELS, tiny_model


@pytest.fixture(scope="session")
def model():
    return tiny_model()


@pytest.fixture(scope="session")
def saved_model(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_model")
    return export_saved_model(model, folder, labels=LABELS)


@pytest.fixture(scope="session")
def tflite(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("tflite") / "model.tflite"
    return export_tflite(model, path, labels=LABELS)


@pytest.fixture(scope="session")
def onnx_file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return export_onnx(model, path, labels=LABELS)


@pytest.fixture(scope="session")
def openvino_folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("openvino") / "openvino"
    return export_openvino(model, folder, labels=LABELS)
