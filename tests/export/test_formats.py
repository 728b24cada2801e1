import configparser
from pathlib import Path
from typing import get_args

import pytest

from kmlic import cli
from kmlic.export import FORMATS
from kmlic.export.formats import format_of
from kmlic.predict.load_scorer import RUNTIMES


def test_finds_the_format_of_every_export(
    saved_model, tflite, onnx_file, openvino_folder, tmp_path
):
    for path in (saved_model, tflite, onnx_file, openvino_folder):
        found = [name for name, each in FORMATS.items() if each.recognizes(path)]
        assert found == [format_of(path).name]
    with pytest.raises(ValueError, match="an OpenVINO model"):
        format_of(tmp_path)


def test_the_command_line_offers_every_format_runtime_and_quantization():
    # It states them again because reading the table imports TensorFlow.
    quantizations = [name for each in FORMATS.values() for name in each.quantizations]
    assert get_args(cli.Format) == tuple(FORMATS)
    assert get_args(cli.Runtime) == RUNTIMES
    assert get_args(cli.Quantization) == tuple(quantizations)


def test_every_extra_can_be_installed():
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg")
    for each in FORMATS.values():
        assert each.extra is None or each.extra in setup["options.extras_require"]
