import pytest

from kmlic.export import read_labels
from kmlic.export.tflite_file import operators, with_labels
from kmlic.labels import Labels
from tests.export.toys import LABELS


@pytest.fixture(scope="module")
def content(tflite):
    return tflite.read_bytes()


def test_lists_the_operators_by_name(content):
    assert {"CONV_2D", "FULLY_CONNECTED", "LOGISTIC"} <= set(operators(content))


def test_labels_survive_the_round_trip_unicode_and_all(content, tmp_path):
    labels = Labels(("größe", "色", "c"), {"g": ("色",)}, (0.1, 0.2, 0.3), 16)
    assert read_labels_of(content, tmp_path) == LABELS
    assert read_labels_of(with_labels(content, labels), tmp_path) == labels


def read_labels_of(content, folder):
    (folder / "model.tflite").write_bytes(content)
    return read_labels(folder / "model.tflite")


def test_refuses_another_kind_of_file(tmp_path):
    (tmp_path / "photo.tflite").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"photo\.tflite must be a LiteRT file"):
        read_labels(tmp_path / "photo.tflite")
