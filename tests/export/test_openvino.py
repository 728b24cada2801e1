import subprocess
import sys

import numpy as np
import pytest

from kmlic.export import export_openvino, load_export, read_labels
from tests.export.toys import LABELS

export_file = sys.modules["kmlic.export.openvino"]


def test_holds_its_labels_and_weights_of_32_bits(openvino_folder):
    assert read_labels(openvino_folder) == LABELS
    files = sorted(file.name for file in openvino_folder.iterdir())
    assert files == ["model.bin", "model.xml"]
    model = export_file._core().read_model(openvino_folder / "model.xml")
    types = {
        node.get_element_type().get_type_name()
        for node in model.get_ops()
        if node.get_type_name() == "Constant"
    }
    assert "f32" in types and "f16" not in types


def test_replaces_an_earlier_export_and_nothing_else(model, tmp_path):
    folder = tmp_path / "openvino"
    folder.mkdir()
    for name in ("model.xml", "notes.txt"):
        (folder / name).touch()
    rule = r"only model\.bin and model\.xml; it also holds notes\.txt\. Move that away"
    with pytest.raises(ValueError, match=rule):
        export_openvino(model, folder, labels=LABELS)
    (folder / "notes.txt").unlink()
    export_openvino(model, folder, labels=LABELS)
    assert {file.name for file in folder.iterdir()} == {"model.bin", "model.xml"}
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(("seconds", "chosen"), [(0.2, "float32"), (0.05, "bfloat16")])
def test_chooses_the_faster_precision_and_says_so(
    openvino_folder, monkeypatch, capsys, seconds, chosen
):
    now, compiled = [0.0], []

    class Compiled:
        def __init__(self, precision):
            self.model = export_file._core().compile_model(
                openvino_folder / "model.xml"
            )
            self.precision, self.input = precision, self.model.input

        def __call__(self, inputs):
            now[0] += seconds if self.precision == "bfloat16" else 0.1
            compiled.append(self.precision)
            return self.model(inputs)

    monkeypatch.setattr(export_file, "has_bfloat16", lambda: True)
    monkeypatch.setattr(export_file, "_compile", lambda _, name: Compiled(name))
    monkeypatch.setattr(export_file.time, "perf_counter", lambda: now[0])
    load_export(openvino_folder, precision="auto")(np.zeros((1, 16, 16, 3)))
    assert compiled[-1] == chosen
    assert f"OpenVINO computes in {chosen}: " in capsys.readouterr().err


def test_measures_nothing_without_bfloat16(openvino_folder, monkeypatch, capsys):
    monkeypatch.setattr(export_file, "has_bfloat16", lambda: False)
    load_export(openvino_folder, precision="auto")
    assert capsys.readouterr().err == ""


SIGNALLED = """
import pathlib, signal, sys
from kmlic.export.openvino import _load
load = [_load(pathlib.Path(sys.argv[1]), "float32") for _ in range(3)]
del load[0], load[0], load[0]
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_is_handled_after_models_are_gone(openvino_folder):
    command = [sys.executable, "-c", SIGNALLED, str(openvino_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
