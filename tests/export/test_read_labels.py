import pytest

from kmlic.export import export_tflite, read_labels
from kmlic.export.read_labels import find_labels
from tests.export.toys import LABELS


def test_reads_the_labels_of_every_format(
    saved_model, tflite, onnx_file, openvino_folder
):
    for path in (saved_model, tflite, onnx_file, openvino_folder):
        assert read_labels(path) == LABELS == find_labels(path)


def test_says_which_export_has_none(model, tmp_path):
    without = export_tflite(model, tmp_path / "model.tflite", labels=None)
    assert find_labels(without) is None
    for path in (without, tmp_path, tmp_path / "absent.onnx"):
        with pytest.raises(ValueError, match=f"{path.name} must be an export"):
            read_labels(path)


def test_names_the_file_that_is_damaged(tmp_path):
    path = tmp_path / "photo.tflite"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"photo\.tflite must be a LiteRT file"):
        read_labels(path)
