"""What commands import before they know that they must."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kmlic.export import export_onnx, export_openvino, export_tflite
from kmlic.run_folder import claim_run
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
    # A run that was trained, and whose OpenVINO export somebody has added a file to.
    other = write_run(folder / "other")
    (other / "run.json").touch()
    (other / "openvino").mkdir()
    for name in ("model.xml", "notes.txt"):
        (other / "openvino" / name).touch()
    os.mkfifo(folder / "pipe.csv")
    (folder / "groups.json").write_text('{"size": ["small", "large"]}')
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


def test_predicts_an_image_once_that_is_given_twice(folder, tmp_path):
    image = folder / "yellow.jpg"
    table = tmp_path / "labels.csv"
    table.write_text(f"path,labels\n{image.name},red\n")
    inputs = (image, folder, image, table, "--root", folder, "--runtime", "onnx")
    rows = tmp_path / "rows.csv"
    for output in ((), ("--output", rows)):
        result = kmlic("predict", folder / "run", *inputs, *output)
        assert result.returncode == 0, result.stderr
        said = "1 image given more than once; each is taken once.\n"
        assert result.stderr == said
    text = rows.read_text()  # a table on the screen cuts long paths
    assert text.count("yellow.jpg") == text.count("yellow.png") == 1


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
        ("predict {folder}/run {folder}/yellow.jpg --output a.txt", 2, "must end with"),
        ("predict {folder}/run {folder}/yellow.jpg --batch_size 0", 2, "batch_size=0"),
        ("predict {folder}/run {folder}/yellow.jpg --boxes {absent}", 2, "absent must"),
        ("evaluate {absent}", 2, "must be a run folder"),
        ("evaluate {folder}/run", 2, "run.json"),
        ("evaluate {folder}/other {absent}/a.csv", 2, "a.csv"),
        ("evaluate {folder}/other wrong", 2, "the datasets are street_fashion"),
        ("evaluate {folder}/other --data_dir {absent}", 2, "absent must"),
        ("compare {folder}/other {folder}/other wrong", 2, "the datasets are"),
        ("export {absent}", 2, "must be a run folder"),
        ("export {folder}/run --images {absent}/a.jpg", 2, "a.jpg"),
        ("export {folder}/run --formats unknown", 2, "unknown"),
        ("export {folder}/other --dataset wrong", 2, "the datasets are"),
        (
            "export {folder}/other --images {folder}/yellow.jpg --formats openvino",
            2,
            "it also holds notes.txt",
        ),
        ("push {folder}/other foo", 2, "must be hf://user/name; got foo"),
        ("push {folder}/other hf://me/it@v1", 2, "must have no revision"),
        ("data check {folder} --fractions nan 0.1 0.1", 2, "fractions=nan"),
        ("train {folder} --folder {folder}/yellow.jpg", 2, "it is a file"),
        ("train {folder} --folder {folder}", 2, "a folder with other files"),
        ("train {folder} --backbone wrong", 2, "`backbone` must be one of 'auto'"),
        ("train {folder} --backbone small_cnn", 2, "--weights None"),
        ("train {folder} --backbone keras_hub:{folder}", 2, "holds no config.json"),
        ("train {folder} --backbone hf://a/b --weights {folder}/a.h5", 2, "a.h5"),
        ("train {folder} --weights {absent}", 2, "absent must exist"),
        ("train {folder} --weights absent", 2, "there is none at absent"),
        ("train {folder} --models peak", 2, "peak"),
        ("train {folder} --fractions 0.6 0.2 0.3", 2, "`fractions` must be three"),
        ("train {folder} --groups {folder}/groups.json --loss focal", 2, "got focal"),
        (
            "train {folder} --test {folder} --fractions 0.6 0.2 0.2",
            2,
            "where `test` is given",
        ),
        ("train cifar100 --fractions 0.6 0.2 0.2", 2, "Leave out --fractions"),
        ("train cifar100 --groups {folder}/groups.json", 2, "Leave out --groups"),
        ("train cifar100 --test {folder}", 2, "Leave out --test"),
        *(
            (command, 2, "pipe.csv must be a")
            for command in (
                "train {folder}/pipe.csv",
                "train {folder} --groups {folder}/pipe.csv",
                "train {folder} --weights {folder}/pipe.csv",
                "evaluate {folder}/other {folder}/pipe.csv",
                "evaluate {folder}/pipe.csv",
                "predict {folder}/run {folder}/pipe.csv",
                "predict {folder}/run {folder}/yellow.jpg --boxes {folder}/pipe.csv",
                "predict {folder}/run {folder} --labels a "
                "--word_vectors {folder}/pipe.csv",
                "data check {folder}/pipe.csv",
            )
        ),
    ],
)
def test_answers_help_and_mistakes_without_tensorflow(folder, command, code, text):
    words = command.format(folder=folder, absent=folder / "absent").split()
    result = kmlic(*words)
    assert result.returncode == code, result.stdout + result.stderr
    assert text in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_train_refuses_a_folder_in_use_without_tensorflow(folder, tmp_path):
    with claim_run(tmp_path / "run"):
        result = kmlic("train", folder, "--folder", tmp_path / "run")
    assert result.returncode == 2 and "by another process" in result.stderr
    assert "starting" not in result.stdout and not any(tmp_path.iterdir())


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


def test_ends_quietly_when_nothing_reads_its_output():
    command = [sys.executable, "-m", "kmlic.cli", "predict", "--help"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141
