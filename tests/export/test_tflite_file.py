import pytest

from kmlic.export.tflite_file import labels_in, operators, with_labels
from kmlic.labels import Labels
from tests.export.toys import LABELS


@pytest.fixture(scope="module")
def content(tflite):
    return tflite.read_bytes()


def test_lists_the_operators_by_name(content):
    assert {"CONV_2D", "FULLY_CONNECTED", "LOGISTIC"} <= set(operators(content))


def test_labels_survive_the_round_trip_unicode_and_all(content):
    labels = Labels(("größe", "色", "c"), {"g": ("色",)}, (0.1, 0.2, 0.3), 16)
    assert Labels.from_json(labels_in(content)) == LABELS
    assert Labels.from_json(labels_in(with_labels(content, labels))) == labels


def test_refuses_another_kind_of_file():
    with pytest.raises(ValueError, match=r"photo\.tflite must be a LiteRT file"):
        labels_in(b"\x89PNG\r\n\x1a\n", name="photo.tflite")
