"""Random command lines and changed files: one sentence each, and nothing deleted."""

import json
import random
import shutil
import sys

import pytest

from kmlic import cli
from kmlic.experiments import TrainingSettings, parse_settings
from tests.experiments.conftest import write_run

COMMANDS = ("data", "predict", "evaluate", "export")
FLAGS = (
    *("--batch_size", "--threshold", "--top_k", "--near", "--seed", "--fractions"),
    *("--split", "--layout", "--separator", "--runtime", "--images", "--output"),
    *("--formats", "--quantize", "--boxes", "--labels", "--word_vectors", "--root"),
    *("--data_dir", "--dataset", "--splitting", "--label_names", "--on_error"),
    *("--write_splits", "--report", "--maps", "--embeddings", "--compare"),
)
VALUES = (
    *("0", "1", "-1", "nan", "inf", "1e9", "1000000", "", " ", "[/x]", "[red]", "$x$"),
    *(
        "=1+1",
        "\x1b[31m",
        "\udcff",
        "犬",
        "test",
        "all",
        "csv",
        "none",
        "keras",
        "tflite",
    ),
    *("|", ";", "absent", "absent.csv", "out.csv", "out.jsonl", "out.html", "a\x00b"),
)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    write_run(folder, seeds=(0,), exported=0)
    return folder


@pytest.fixture
def workplace(original, tmp_path, monkeypatch):
    """A copy of a run and its images, from where commands are started."""
    place = tmp_path / "place"
    shutil.copytree(original, place)
    record = place / "run/run.json"
    moved = record.read_text().replace(str(original), str(place))
    record.write_text(moved)
    monkeypatch.chdir(place)
    return place


def files_below(folder):
    return {path.relative_to(folder) for path in folder.rglob("*")}


def ends_in_a_sentence(arguments, capsys):
    """Runs a command, which must not raise anything but the end of the process."""
    try:
        code = cli.main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    error = capsys.readouterr().err
    assert code in (0, 1, 2), arguments
    assert "Traceback" not in error, arguments
    if code == 2:
        assert error.strip(), arguments
    return code


def random_command(number, place):
    choose = random.Random(number)
    paths = ("run", "images", "images/0.png", "images/labels.csv", *VALUES)
    command = choose.choice(COMMANDS)
    words = {
        "data": ["check", choose.choice(paths)],
        "predict": [choose.choice(("run", *paths)), choose.choice(("images/0.png",))],
        "evaluate": [choose.choice(("run", "run", *paths))],
        "export": ["run", "--images", "images/0.png", "--formats", "tflite"],
    }[command]
    for _ in range(choose.randrange(4)):
        words += [choose.choice(FLAGS), choose.choice((*paths, *VALUES))]
    return [command, *words]


def check_commands(numbers, place, capsys):
    before = files_below(place)
    for number in numbers:
        ends_in_a_sentence(random_command(number, place), capsys)
        assert before <= files_below(place), random_command(number, place)


def test_random_command_lines(workplace, capsys):
    check_commands(range(20), workplace, capsys)


@pytest.mark.slow
def test_300_random_command_lines(workplace, capsys):
    check_commands(range(20, 320), workplace, capsys)


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_random_settings(part, capsys):
    sys.stderr.reconfigure(errors="backslashreplace")  # as Python starts it
    names = [f"--{name}" for name in vars(TrainingSettings())]
    for number in (range(30), range(30, 300))[part]:
        choose = random.Random(number)
        words = [choose.choice((*names, *VALUES)) for _ in range(choose.randrange(5))]
        try:
            parse_settings({"": TrainingSettings()}, words)
        except SystemExit as stopped:
            assert stopped.code in (0, 2), words
        assert "Traceback" not in capsys.readouterr().err


def change_bytes(content, choose):
    content = bytearray(content)
    start = choose.randrange(len(content))
    kind = choose.randrange(4)
    if kind == 0:
        content[start] = choose.randrange(256)
    elif kind == 1:
        del content[start : start + choose.randrange(1, 50)]
    elif kind == 2:
        content[start:start] = choose.randbytes(choose.randrange(1, 20))
    else:
        del content[start:]
    return bytes(content)


def change_json(content, choose):
    """Replaces a value anywhere by another one."""
    tree = json.loads(content)
    node, path = tree, []
    while (
        isinstance(node, dict | list) and node and (not path or choose.random() < 0.8)
    ):
        keys = list(node) if isinstance(node, dict) else range(len(node))
        path.append((node, choose.choice(keys)))
        node = path[-1][0][path[-1][1]]
    parent, key = path[-1]
    others = (None, [], {}, "x", -1, 1.5, True, float("nan"), 10**400, [[]], {"a": 1})
    parent[key] = choose.choice(others)
    if isinstance(tree, dict) and choose.random() < 0.5:
        tree.pop("hash", None)  # a change that the hash does not reveal
    return json.dumps(tree).encode()


ARTEFACTS = ("run/run.json", "run/labels.json", "run/model.keras", "images/labels.csv")


def check_artefact(name, numbers, place, capsys):
    content = (place / name).read_bytes()
    before = files_below(place)
    for number in numbers:
        choose = random.Random(number)
        structured = name.endswith(".json") and number % 2
        change = change_json if structured else change_bytes
        (place / name).write_bytes(change(content, choose))
        for command in (
            ["predict", "run", "images/0.png", "--output", "out.jsonl"],
            ["evaluate", "run"],
            ["data", "check", "images/labels.csv", "--near", "None"],
        )[: 2 if name.startswith("run") else 3]:
            ends_in_a_sentence(command, capsys)
        assert before <= files_below(place), (name, number)


@pytest.mark.parametrize("name", ARTEFACTS)
def test_changed_files(name, workplace, capsys):
    check_artefact(name, range(6), workplace, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARTEFACTS)
def test_60_changed_files(name, workplace, capsys):
    check_artefact(name, range(6, 66), workplace, capsys)
