"""What commands import before they know that they must."""

import subprocess
import sys
from pathlib import Path

import pytest

from kmlic.export import export_onnx, export_openvino, export_tflite
from tests.predict.toys import LABELS, colour_model, write_image, write_run

# Any import of these fails.
BLOCKED = """
import sys
sys.modules |= dict.fromkeys(("tensorflow", "keras"))
"""


RECIPES = sorted(
    path.stem for path in Path(__file__).parents[1].glob("recipes/[!_]*.py")
)


def run(code, *arguments):
    """Runs Python without TensorFlow and Keras."""
    command = [sys.executable, "-c", BLOCKED + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def kmlic(*arguments):
    return run("from kmlic.cli import main; sys.exit(main())", *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run, its exports and an image."""
    folder = tmp_path_factory.mktemp("start_up")
    model, run = colour_model(), write_run(folder / "run")
    export_tflite(model, run / "model.tflite", labels=LABELS)
    export_onnx(model, run / "model.onnx", labels=LABELS)
    export_openvino(model, run / "openvino", labels=LABELS)
    write_image(folder / "yellow.jpg", (255, 255, 0), "JPEG")
    write_image(folder / "yellow.png", (255, 255, 0))
    return folder


@pytest.mark.parametrize("runtime", ["onnx", "tflite", "openvino", "openvino_float32"])
def test_predicts_from_an_export_without_tensorflow(folder, runtime):
    images = folder / "yellow.jpg", folder / "yellow.png"
    result = kmlic("predict", folder / "run", *images, "--runtime", runtime)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("red 0.95, green 0.95") == 2
    said = "OpenVINO computes in" if runtime == "openvino" else ""
    assert result.stderr.startswith(said)
    assert len(result.stderr.splitlines()) == bool(said)


def test_checks_and_converts_data_without_tensorflow(folder, tmp_path):
    table = folder / "labels.csv"
    table.write_text("path,labels\nyellow.jpg,red\nyellow.png,green\n")
    result = kmlic("data", "check", table, "--report", tmp_path / "report.html")
    assert "usable images: 2" in result.stdout, result.stderr
    assert result.stderr == ""
    result = kmlic("data", "convert", table, tmp_path / "copy.csv", "--root", folder)
    assert "2 images" in result.stdout, result.stderr


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("--help", 0, "Multi-label image classification"),
        ("train --help", 0, "--minutes"),
        ("data --help", 0, "check"),
        ("predict --help", 0, "--runtime"),
        ("evaluate --help", 0, "--split"),
        ("export --help", 0, "--formats"),
        ("train {absent}/labels.csv", 2, "labels.csv"),
        ("train {folder}/yellow.jpg --minuts 1", 2, "--minuts"),
        ("train {folder}/yellow.jpg --minutes 0", 2, "minutes=0"),
        ("data check {absent}/labels.csv", 2, "labels.csv"),
        ("predict {absent} {folder}/yellow.jpg", 2, "must be a run folder"),
        ("predict {folder}/run {absent}/a.jpg", 2, "a.jpg"),
        ("predict {folder}/run {folder}/yellow.jpg --top_k 0", 2, "top_k=0"),
        ("predict {folder}/run {folder}/yellow.jpg --runtime torch", 2, "torch"),
        ("predict {folder}/run {folder}/yellow.jpg --runtime saved_model", 2, "export"),
        ("predict {folder}/run {folder}/yellow.jpg --labels=", 2, "at least one label"),
        ("predict {folder}/run {folder}/yellow.jpg --labels=a,a", 2, "unique"),
        ("predict {folder}/run {folder}/yellow.jpg --labels=a", 2, "hold words.npz"),
        ("predict none {folder}/yellow.jpg --labels=a", 2, "or with text_model"),
        ("predict {folder} --text_model hf://a/b", 2, "must come with labels"),
        ("predict {folder} --labels=a --text_model clip", 2, "keras_hub: or hf://"),
        (
            "predict {folder} --labels=a --text_model keras_hub:{folder}",
            2,
            "holds no config.json",
        ),
        ("evaluate {absent}", 2, "must be a run folder"),
        ("evaluate {folder}/run", 2, "run.json"),
        ("export {absent}", 2, "must be a run folder"),
        ("export {folder}/run --images {absent}/a.jpg", 2, "a.jpg"),
    ],
)
def test_answers_help_and_mistakes_without_tensorflow(folder, command, code, text):
    words = command.format(folder=folder, absent=folder / "absent").split()
    result = kmlic(*words)
    assert result.returncode == code, result.stdout + result.stderr
    assert text in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        ("--help", 0, "--learning_rate"),
        ("--epochs 0", 2, "epochs=0"),
        ("--epoch 3", 2, "--epoch"),
        ("--paper --trial", 2, "use one preset"),
        ("--data {absent}/labels.csv", 2, "labels.csv must exist"),
        ("--data {folder} --root {absent}", 2, "absent must exist"),
    ],
)
def test_recipes_answer_without_tensorflow(folder, recipe, flags, code, text):
    start = f"""
import runpy
sys.exit(runpy.run_module("recipes.{recipe}", run_name="__main__", alter_sys=True))
"""
    words = flags.format(folder=folder, absent=folder / "absent").split()
    result = run(start, *words)
    assert result.returncode == code, result.stdout + result.stderr
    assert text in " ".join((result.stdout + result.stderr).split())
    assert "Traceback" not in result.stderr
