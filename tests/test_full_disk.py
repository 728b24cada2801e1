"""A disk without space: one sentence with the path, and everything as it was."""

import shutil
import subprocess

import pytest

from kmlic import cli
from kmlic.experiments import Experiment, finish_run, run_recipe
from kmlic.run_folder import Run
from tests.data.files import write_dataset
from tests.predict.toys import write_image, write_run
from tests.toys import toy_data, toy_model, toy_settings

_BYTES = 4 << 20


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own, where the tests may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={_BYTES}", "tmpfs"]
    try:
        mounted = subprocess.run(["mount", *options, path], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no command to mount a disk")
    if mounted.returncode:
        pytest.skip("mounting a disk is not allowed")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def fill(disk, left):
    """Leaves that many bytes on a disk."""
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(max(0, shutil.disk_usage(disk).free - left)))


def contents(folder):
    return {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }, sorted(folder.rglob("*"))


@pytest.mark.parametrize("left", [0, 8192])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_predictions(disk, tmp_path, suffix, left, capsys):
    run = write_run(tmp_path / "run")
    for number in range(200):
        write_image(tmp_path / f"images/{number:0200}.png", (number, 0, 0))
    output = disk / f"rows.{suffix}"
    output.write_text("old")
    fill(disk, left)
    before = contents(disk)
    command = ["predict", run, tmp_path / "images", "--output", output]
    ends_in_a_sentence(cli.main(list(map(str, command))), output, capsys)
    assert contents(disk) == before


@pytest.mark.parametrize(
    ("flag", "name"), [("--report", "page.html"), ("--write_splits", "splits.csv")]
)
def test_data_check(disk, tmp_path, flag, name, capsys):
    path = write_dataset(tmp_path, 30)
    output = disk / name
    output.write_text("old")
    fill(disk, 0)
    before = contents(disk)
    command = ["data", "check", path, flag, output]
    ends_in_a_sentence(cli.main(list(map(str, command))), output, capsys)
    assert contents(disk) == before


@pytest.mark.slow
@pytest.mark.parametrize("left", [0, 4096])
@pytest.mark.parametrize("format", ["saved_model", "tflite", "onnx", "openvino"])
def test_exports(disk, tmp_path, format, left, capsys):
    run = write_run(disk / "run")
    image = write_image(tmp_path / "images/1.png", (1, 2, 3))
    command = ["export", run, "--images", image, "--formats", format]
    fill(disk, left)
    before = contents(disk)
    ends_in_a_sentence(cli.main(list(map(str, command))), run, capsys)
    assert contents(disk) == before


@pytest.mark.parametrize(
    "left", [4096, *(pytest.param(each, marks=pytest.mark.slow) for each in (0, 65536))]
)
def test_the_end_of_a_training(disk, left, capsys):
    def main(settings):
        data = toy_data()
        experiment = Experiment("toy", settings)
        experiment.train("model", 0, toy_model, data)
        fill(disk, left)
        before.append(contents(settings.folder))
        finish_run(experiment, "model")

    before = []
    write_run(disk / "run")
    settings = toy_settings(disk / "run", seeds=(0,))
    there = Run("toy", "toy", settings.describe(), *({} for _ in range(8)))
    there.write(disk / "run/run.json")
    code = run_recipe(main, {"": settings}, [])
    ends_in_a_sentence(code, disk, capsys)
    assert contents(disk / "run") == before[0]
    (disk / "ballast").unlink()
    left = 1 << 20  # of the second call
    assert run_recipe(main, {"": settings}, []) == 0
    assert (disk / "run/export/1/saved_model.pb").exists()
    assert not list(disk.glob(".*"))


def ends_in_a_sentence(code, path, capsys):
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2
    assert str(path) in message
    assert "no space left on its disk" in message
