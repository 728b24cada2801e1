import pytest

from kmlic.export import FORMATS
from kmlic.export.format import next_version, scores_in


def test_numbers_the_versions_of_a_saved_model(tmp_path):
    for name in ("9", "10", "notes"):
        (tmp_path / "export" / name).mkdir(parents=True)
    format = FORMATS["saved_model"]
    assert format.newest_path(tmp_path) == tmp_path / "export/10"
    assert format.new_path(tmp_path) == tmp_path / "export/11"
    assert next_version(tmp_path / "export", 3) == 3
    with pytest.raises(ValueError, match=r"version=9 with \[9, 10\]"):
        next_version(tmp_path / "export", 9)
    assert format.newest_path(tmp_path / "other") is None


def test_a_version_that_is_no_export_stays_and_the_next_is_written(tmp_path):
    (tmp_path / "export/1").mkdir(parents=True)
    (tmp_path / "export/1/thesis.txt").touch()
    format = FORMATS["saved_model"]
    path = format.new_path(tmp_path)
    format.require_replaceable(path)
    assert path == tmp_path / "export/2"


def test_names_the_files_of_a_format_by_their_quantization(tmp_path):
    format = FORMATS["tflite"]
    assert format.newest_path(tmp_path) is None
    assert format.new_path(tmp_path).name == "model.tflite"
    assert format.new_path(tmp_path, "int8").name == "model.int8.tflite"
    (tmp_path / "model.tflite").touch()
    assert format.newest_path(tmp_path) == tmp_path / "model.tflite"


def test_reads_probabilities_or_embeddings():
    assert scores_in({"maps": 1, "probabilities": 2}) == 2
    assert scores_in({"embeddings": 3}) == 3
