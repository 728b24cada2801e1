"""Random command lines and changed files: one sentence each, and nothing deleted."""

import importlib
import itertools
import json
import random
import shutil
import sys
from unittest import mock

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
TRAIN_FLAGS = {
    "--folder": ("trained",),
    "--backbone": ("auto", "small_resnet"),
    "--weights": ("imagenet", "None"),
    "--image_size": ("32", "64"),
    "--metric": ("mAP",),
    "--loss": ("auto",),
    "--on_error": ("raise", "skip"),
    "--precision": ("auto", "float32"),
    "--seed": ("0", "7"),
    "--layout": ("csv",),
    "--separator": ("|",),
    "--test": ("images/labels.csv",),
}
# Each is an error, whatever stands beside it.
WRONG = {
    "--folder": ("images", "images/0.png", "images/0.png/run"),
    "--backbone": ("small", "", "[/x]"),
    "--weights": ("absent.weights.h5", "images/0.png", "images/labels.csv"),
    "--image_size": ("31", "0", "x", "inf"),
    "--metric": ("accuracy", "loss"),
    "--minutes": ("0", "-1", "nan", "x", ""),
    "--groups": ("absent.json", "images/labels.csv", "images/0.png", "images"),
    "--test": ("absent.csv", "images/0.png", "\x1b[31m"),
    "--seed": ("-1", "1.5", str(2**32)),
    "--root": ("absent", "images/0.png"),
    "--layout": ("coco", "voc", "x"),
    "--epochs": ("1",),
}
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


def random_command(number):
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


def random_training(number):
    """A command with one mistake, often in a value, else in its data."""
    choose = random.Random(number)
    flags = choose.sample(sorted(TRAIN_FLAGS), choose.randrange(4))
    options = {flag: choose.choice(TRAIN_FLAGS[flag]) for flag in flags}
    images = choose.choice(("images/labels.csv", "images"))
    if choose.random() < 0.2:
        images = choose.choice(("images/0.png", "run/run.json", *VALUES))
    elif choose.random() < 0.2:
        options[choose.choice(flags or ["--seed"])] = choose.choice(VALUES)
    else:
        flag = choose.choice(sorted(WRONG))
        options[flag] = choose.choice(WRONG[flag])
    options.setdefault("--minutes", "0.02")
    return ["train", images, *itertools.chain(*options.items())]


def check_commands(commands, place, capsys):
    before = files_below(place)
    codes = []
    for command in commands:
        codes.append(ends_in_a_sentence(command, capsys))
        assert before <= files_below(place), command
    return codes


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_random_command_lines(part, workplace, capsys):
    numbers = (range(20), range(20, 320))[part]
    check_commands(map(random_command, numbers), workplace, capsys)


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_random_trainings(part, workplace, monkeypatch, capsys):
    """All but the training itself, which the mistakes should not reach."""
    module = importlib.import_module("kmlic.classifier.train_classifier")
    train = mock.Mock(side_effect=ValueError("the training would begin here"))
    monkeypatch.setattr(module, "features", train)
    numbers = (range(20), range(20, 80))[part]
    codes = check_commands(map(random_training, numbers), workplace, capsys)
    assert set(codes) == {2}
    assert train.call_count < len(numbers) / 4


@pytest.mark.slow
def test_a_training_of_the_fuzz_would_succeed(workplace, capsys):
    command = ["train", "images/labels.csv", "--minutes", "0.02"]
    assert ends_in_a_sentence(command, capsys) == 0
    assert (workplace / "saved_models/classifier/run.json").exists()


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
