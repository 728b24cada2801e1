import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import typing
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kmlic import cli, experiments, predict
from kmlic.atomic_write import atomic_write
from kmlic.classifier import ClassifierSettings
from kmlic.classifier.describe_training import describe_training
from kmlic.data.reading_options import ReadingOptions
from kmlic.escape_text import escape_text
from kmlic.evaluation import Interval, Report
from kmlic.experiments import RunComparison
from kmlic.export import FORMATS
from kmlic.labels import Labels
from kmlic.on_sigterm import STOPPED
from kmlic.require_paths import require_paths
from kmlic.run_folder import Run
from tests.data.files import encode, picture, write_dataset
from tests.predict.image_text_models import save_image_text_model
from tests.predict.toys import write_broken, write_image, write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


@pytest.fixture
def image(tmp_path):
    return write_image(tmp_path / "images/yellow.png", (255, 255, 0))


def test_prints_labels_with_probabilities(run, image, capsys):
    assert cli.main(["predict", str(run), str(image.parent)]) == 0
    output = capsys.readouterr().out
    assert "red 0.95, green 0.95" in output
    assert "blue" not in output


@pytest.mark.parametrize(
    "command",
    [["predict", "{run}"], ["export", "{run}", "--formats=tflite", "--images"]],
)
def test_looks_for_images_once(run, image, monkeypatch, command):
    looked = mock.Mock(wraps=require_paths)
    monkeypatch.setattr("kmlic.list_images.require_paths", looked)
    words = [word.format(run=run) for word in command]
    assert cli.main([*words, str(image)]) == 0
    looked.assert_called_once_with(image)


def test_every_export_format_can_be_chosen():
    assert typing.get_args(cli.Format) == tuple(FORMATS)


def test_lets_flags_choose_the_labels(run, image, capsys):
    command = ["predict", str(run), str(image)]
    assert cli.main([*command, "--top_k", "1"]) == 0
    assert "green" not in capsys.readouterr().out
    assert cli.main([*command, "--threshold", "0.96"]) == 0
    assert "none" in capsys.readouterr().out


OWN = Labels(("a", "b", "c"), thresholds=(0.5, 0.3, 0.4))
EXCLUSIVE = Labels(("a", "b"), {"group": ("a", "b")}, exclusive=True)


@pytest.mark.parametrize(
    ("labels", "threshold", "top_k", "text"),
    [
        (OWN, None, None, "predicted by each label's own threshold, 0.30 to 0.50."),
        (OWN, None, 1, "Shown per image: 1 label, the most probable at any threshold."),
        (
            OWN,
            None,
            9,
            "Shown per image: 3 labels, the most probable at any threshold.",
        ),
        (OWN, 0.5, None, "predicted by a threshold of 0.5 for every label."),
        (OWN, 0.5, 2, "threshold of 0.5 for every label, at most 2 labels per image."),
        (EXCLUSIVE, None, 1, "label of each group, at most 1 label per image."),
        (
            EXCLUSIVE,
            0.7,
            None,
            "the most probable label of each group if it reaches 0.7.",
        ),
    ],
)
def test_says_which_labels_are_shown(labels, threshold, top_k, text):
    assert cli._describe_rule(labels, threshold, top_k).endswith(text)


def test_scores_labels_the_model_was_never_trained_on(run, image, capsys, tmp_path):
    command = ["predict", str(run), str(image), "--labels", "lemon, navy"]
    assert cli.main(command) == 2
    assert "must hold words.npz" in capsys.readouterr().err
    words = tmp_path / "words.txt"
    words.write_text("red 1 0 0\ngreen 0 1 0\nblue 0 0 1\nlemon 1 1 0\nnavy 0 0 1\n")
    assert cli.main([*command, "--word_vectors", str(words)]) == 0
    assert "lemon 1.00, navy 0.0" in capsys.readouterr().out
    assert cli.main([*command, "--word_vectors", str(words), "--top_k", "1"]) == 0
    assert "navy" not in capsys.readouterr().out
    command[-1] = "lemon, unicorn"
    assert cli.main([*command, "--word_vectors", str(words)]) == 2
    assert "1 of 2 have none: unicorn" in capsys.readouterr().err


# keras-hub leaves a file of tokens open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_scores_labels_by_texts_without_a_run(image, capsys, tmp_path):
    save_image_text_model(tmp_path / "siglip", "siglip")
    command = ["predict", str(image), "--labels", "tiger, harbour"]
    command += ["--text_model", f"keras_hub:{tmp_path / 'siglip'}"]
    output = tmp_path / "rows.csv"
    assert cli.main([*command, "--output", str(output)]) == 0
    (row,) = csv.DictReader(output.open())
    assert set(row["labels"].split("|")) == {"tiger", "harbour"}
    assert cli.main([*command, "--threshold", "1"]) == 0
    assert "tiger" not in capsys.readouterr().out


def test_cuts_boxes_out_first(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "400")
    image = tmp_path / "images/two.png"
    write_image(image, (255, 0, 0), size=(40, 20))
    with Image.open(image) as picture:
        picture.paste((0, 0, 255), (20, 0, 40, 20))
        picture.save(image)
    boxes = image.with_name("boxes.csv")
    command = ["predict", str(run), str(image), "--boxes", str(boxes)]
    boxes.write_text("path,x1,y1,x2,y2\ntwo.png,24,0,40,20\n")
    assert cli.main(command) == 0
    assert "blue 0.95" in capsys.readouterr().out
    boxes.write_text("path,x1,y1,x2,y2\ntwo.png,40,0,60,20\n")
    assert cli.main(command) == 1
    assert "a part of its box" in " ".join(capsys.readouterr().out.split())
    boxes.write_text("path,x1,y1,x2,y2\nother.png,0,0,8,8\n")
    assert cli.main(command) == 2
    assert "1 have none, the first is" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_writes_rows_and_counts_broken_ones(run, image, tmp_path, suffix, capsys):
    write_broken(image.parent)
    output = tmp_path / f"rows{suffix}"
    command = ["predict", str(run), str(image.parent), "--output", str(output)]
    assert cli.main(command) == 0
    assert "5 images, 4 of them broken" in capsys.readouterr().out
    if suffix == ".csv":
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows) == 5
    assert rows[-1]["labels"] in ("red|green", ["red", "green"])


def test_shows_broken_images_beside_whole_ones(run, image, capsys):
    (image.parent / "empty.png").write_bytes(b"")
    assert cli.main(["predict", str(run), str(image.parent)]) == 0
    output = capsys.readouterr().out
    assert "broken:" in output and "red 0.95" in output


def test_fails_when_no_image_is_whole(run, image, capsys):
    image.write_bytes(b"")
    assert cli.main(["predict", str(run), str(image)]) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "absent", "{image}"], "absent must be a run folder"),
        (["predict", "absent", "absent.jpg"], "absent must be a run folder"),
        (["predict", "{run}", "absent.jpg"], "absent.jpg must be an image or a folder"),
        (["predict", "{run}", "{run}"], "must hold images"),
        (["predict", "{run}"], "`images` must name at least one image or folder"),
        (
            ["predict", "{run}", "--runner", "DirectRunner", "--output", "a.jsonl"],
            "`images` must name at least one image or folder",
        ),
        (["predict", "{run}", "{image}", "--output", "rows.txt"], ".csv or .jsonl"),
        (["predict", "{run}", "{image}", "--threshold", "7"], "threshold=7.0"),
        (["predict", "{run}", "{broken}", "--on_error", "raise"], "it is empty"),
        (["predict", "{run}", "{image}", "--runtime", "openvino"], "--formats openv"),
        (
            ["predict", "{run}", "{image}", "--labels", "a", "--runtime", "onnx"],
            "must be keras to score other labels",
        ),
        (
            ["predict", "{run}", "{image}", "--labels", "a", "--text_model", "x"],
            "must begin with keras_hub:",
        ),
        (
            ["predict", "{run}", "{image}", "--labels=a", "--text_model", "hf://a/b"],
            "`text_model` must come without a run",
        ),
        (["evaluate", "{run}"], "run.json"),
        (["export", "{run}"], "run.json"),
        (["export", "absent"], "absent must be a run folder"),
    ],
)
def test_says_in_one_sentence_what_cannot_be_done(
    run, image, tmp_path, monkeypatch, capsys, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    arguments = [
        argument.format(run=run, image=image, broken=broken) for argument in arguments
    ]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["data", "check", "{images}", "--report", "{images}"], "it is a folder"),
        (["data", "check", "{images}", "--write_splits", "{images}"], "it is a folder"),
        (["data", "check", "{csv}", "--write_splits", "{csv}"], "a file that is read"),
        (["data", "check", "{csv}", "--report", "{image}"], "must end with .html."),
        (["data", "check", "{csv}", "--fixes", "{image}"], "must end with .csv."),
        (
            ["data", "check", "{image}", "--splitting", "{csv}", "--fixes", "{csv}"],
            "a file that is read",
        ),
        (["data", "convert", "{csv}", "{image}"], "must end with .csv or .json."),
        (["predict", "absent", "{images}", "--output", "{images}"], "it is a folder"),
        (["predict", "absent", "{csv}", "--output", "{csv}"], "a file that is read"),
        (
            ["predict", "absent", "{image}", "--boxes", "{csv}", "--output", "{csv}"],
            "a file that is read",
        ),
        (
            ["predict", "absent", "{image}", "--runner", "x", "--output", "{image}"],
            "must end with .parquet or .jsonl.",
        ),
        (["predict", "absent", "{images}", "--output", "{csv}/a.csv"], "not a folder"),
    ],
)
def test_writes_over_nothing_else_and_says_so_first(
    image, capsys, monkeypatch, command, sentence
):
    table = image.with_name("labels.csv")
    table.write_text("path,labels\n")
    monkeypatch.setitem(sys.modules, "kmlic.data_check", None)  # is not reached
    names = {"image": image, "images": image.parent, "csv": table}
    assert cli.main([argument.format(**names) for argument in command]) == 2
    assert sentence in capsys.readouterr().err
    assert image.exists() and table.exists()


@pytest.mark.parametrize(
    "flags", [["--treshold", "0.3"], ["--top_k", "many"], ["--on_error", "ignore"]]
)
def test_refuses_wrong_flags(run, image, flags, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["predict", str(run), str(image), *flags])
    assert stop.value.code == 2
    assert flags[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--separator", ""], "kmlic: `separator` must be a text or None;"),
        (["--min_positives", "-3"], "kmlic: `min_positives` must be at least 0;"),
    ],
)
def test_names_the_reading_option_that_is_wrong(flags, sentence, capsys):
    for command in (["data", "check", "a.csv"], ["data", "convert", "a.csv", "b.csv"]):
        assert cli.main([*command, *flags]) == 2
        assert capsys.readouterr().err.startswith(sentence)


def test_tags_images_on_beam(run, image, tmp_path, capsys):
    write_broken(image.parent)
    output = tmp_path / "tags.jsonl"
    command = ["predict", str(run), str(image.parent), "--runner", "DirectRunner"]
    assert cli.main(command) == 2
    assert "must come with output" in capsys.readouterr().err
    command += ["--output", str(output), "--runtime", "keras"]
    assert cli.main([*command, "--runner_options", "direct_num_workers=1"]) == 0
    assert "5 images, 4 of them broken" in capsys.readouterr().out
    (shard,) = tmp_path.glob("tags-0*.jsonl")
    assert json.loads(shard.read_text())["labels"] == ["red", "green"]


def test_prints_the_metrics_of_a_run(run, monkeypatch, capsys):
    asked = {}
    (run / "run.json").touch()

    def evaluate_run(folder, dataset, **options):
        asked.update(options, folder=folder, dataset=dataset)
        return Report({"mAP": 0.5}, {"red": 0.25, "green": float("nan")}, 7)

    monkeypatch.setattr(experiments, "evaluate_run", evaluate_run)
    assert cli.main(["evaluate", str(run), "--split", "validation"]) == 0
    output = capsys.readouterr().out
    assert asked["folder"] == run and asked["split"] == "validation"
    assert asked["runtime"] == "keras" and asked["dataset"] is None
    assert "7 images" in output and "50.00" in output and "AP red" in output
    assert "no image shows them: green" in output
    command = ["evaluate", str(run), "gs://b/l.csv", "--split", "all"]
    assert cli.main([*command, "--separator", ";", "--layout", "csv"]) == 0
    assert asked["dataset"] == "gs://b/l.csv" and asked["split"] == "all"
    assert asked["reading"] == ReadingOptions(separator=";", layout="csv")
    assert "max_bytes" not in asked and "max_pixels" not in asked
    assert cli.main([*command, "--max_bytes", "9", "--max_pixels", "8"]) == 0
    assert asked["max_bytes"] == 9 and asked["max_pixels"] == 8
    assert cli.main([*command, "--max_pixels", "0"]) == 2


def test_compares_runs(run, tmp_path, monkeypatch, capsys):
    asked = {}
    other = tmp_path / "other"
    shutil.copytree(run, other)
    for folder in (run, other):
        (folder / "run.json").touch()

    def compare_runs(folders, dataset, **options):
        asked.update(options, folders=folders, dataset=dataset)
        metrics = {name: {"mAP": Interval(0.5, 0.4, 0.6)} for name in folders}
        differences = {folders[1]: {"mAP": Interval(0.008, -0.004, 0.021)}}
        return RunComparison(
            metrics, differences, dict.fromkeys(folders, "0.5"), 7, ["red"], []
        )

    monkeypatch.setattr(experiments, "compare_runs", compare_runs)
    output = tmp_path / "found.json"
    command = ["compare", str(run), str(other)]
    assert cli.main([*command, "voc2007", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "50.0 [40.0, 60.0]" in printed and "not distinguishable" in printed
    assert asked["dataset"] == "voc2007" and asked["split"] == "all"
    assert json.loads(output.read_text())["images"] == 7
    assert cli.main(command) == 0
    assert asked["dataset"] is None and asked["split"] == "test"
    assert asked["folders"] == [str(run), str(other)]
    assert cli.main(["compare", str(run)]) == 2
    assert cli.main([*command, "absent.csv"]) == 2
    assert cli.main([*command, "--output", str(tmp_path / "photo.jpg")]) == 2
    assert cli.main([*command, str(output), "--output", str(output)]) == 2
    assert "found.json must not be a file that is read" in capsys.readouterr().err


def test_predicts_with_the_runtime_of_choice(run, image, capsys):
    command = ["export", str(run), "--formats", "openvino", "--images", str(image)]
    assert cli.main(command) == 0
    assert "openvino" in capsys.readouterr().out
    command = ["predict", str(run), str(image), "--runtime"]
    for runtime in ("openvino_float32", "openvino"):
        assert cli.main([*command, runtime]) == 0
        assert "red 0.95, green 0.95" in capsys.readouterr().out


def test_exports_and_compares(run, image, capsys):
    command = ["export", str(run), "--formats", "tflite", "--quantize", "float16"]
    assert cli.main([*command, "--images", str(image), "--compare"]) == 0
    assert (run / "model.tflite").exists() and (run / "model.float16.tflite").exists()
    assert "ms per image" in capsys.readouterr().out


def test_checks_a_dataset_and_exits_with_1_if_it_has_errors(tmp_path, capsys):
    path = write_dataset(tmp_path, 60, kind="JPEG")
    report, splits = tmp_path / "report.html", tmp_path / "splits.csv"
    command = ["data", "check", str(path), "--report", str(report)]
    assert cli.main([*command, "--write_splits", str(splits)]) == 0
    output = capsys.readouterr().out
    assert "usable images: 60" in output and "error" not in output
    assert report.exists() and len(splits.read_text().splitlines()) == 61
    (tmp_path / "007.jpeg").write_bytes(b"")
    assert cli.main(command) == 1
    output = capsys.readouterr().out
    assert "error: Unusable rows: 1." in output
    assert "9 | 007.jpeg | " in output
    assert cli.main(["data", "check", str(tmp_path / "gone.csv")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_says_in_its_own_words_only_which_images_are_broken(run, tmp_path):
    path = write_dataset(tmp_path, 12, kind="JPEG")
    data = encode(picture(90, 120, cells=12), "JPEG")
    table = data.index(b"\xff\xc4") + 6
    broken = {
        "truncated": data[: len(data) // 2],
        "odd table": data[:table] + bytes([255] * 6) + data[table + 6 :],
        "zeros": bytes(5000),
        "cut animation": encode(picture(90, 120), "GIF")[:600],
    }
    for number, content in enumerate(broken.values()):
        (tmp_path / f"{number:03}.jpeg").write_bytes(content)
    commands = [["data", "check", str(path)], ["predict", str(run), str(path)]]
    # In a process of its own, which sets how much TensorFlow says before it starts it.
    code = f"from kmlic import cli\nfor command in {commands}: cli.main(command)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stderr == ""
    assert found.stdout.count("truncated or damaged") >= 2


def test_hides_no_message_of_its_own():
    code = """
import os, sys
from kmlic import cli
def command():
    print("a bar", end="\\r", file=sys.stderr, flush=True)
    os.write(2, b"Corrupt JPEG data: bad Huffman code\\nF0000 the end\\n")
cli._parse = lambda arguments: command
cli.main([])
print("afterwards", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.stderr == b"a bar\rF0000 the end\nafterwards\n"


def rename(path, name):
    path.rename(path.with_name(name))


NAMES = ["[artist] title.png", "broken [red].png", "[raw].png", ":cat:.png"]


def test_converts_a_dataset_and_says_what_it_left_out(tmp_path, capsys):
    for number in range(4):
        folder = tmp_path / "photos" / ("dog" if number % 2 else "cat")
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number}.png", (number, 0, 0))
    output = tmp_path / "labels.csv"
    command = ["data", "convert", str(tmp_path / "photos"), str(output)]
    assert cli.main([*command, "--ignore_labels", "cat"]) == 0
    shown = capsys.readouterr().out
    assert "note: Ignored labels: 1." in shown and "4 images." in shown
    assert output.read_text().split() == [
        "path,labels",
        "photos/cat/0.png,",
        "photos/cat/2.png,",
        "photos/dog/1.png,dog",
        "photos/dog/3.png,dog",
    ]
    output.write_text("path,labels\ngone.jpg,dog\n")
    again = tmp_path / "again.csv"
    assert cli.main(["data", "convert", str(output), str(again)]) == 1
    assert "error: Images that do not exist: 1." in capsys.readouterr().out
    assert cli.main(["data", "convert", str(tmp_path / "gone"), str(output)]) == 2
    assert cli.main(["data", "convert", str(output), str(tmp_path)]) == 2
    assert "it is a folder" in capsys.readouterr().err
    (tmp_path / "photos" / "Dog").mkdir()
    write_image(tmp_path / "photos" / "Dog" / "5.png", (5, 0, 0))
    assert cli.main(command) == 2
    captured = capsys.readouterr()
    assert "error: Labels that differ in case" in captured.out
    assert "--merge" in captured.err
    assert cli.main([*command, "--merge"]) == 0


def test_shows_file_names_and_labels_that_look_like_markup(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("COLUMNS", "400")
    run = write_run(tmp_path / "run", Labels(("[meme]", "[/x]", "=1+1"), image_size=8))
    for name in NAMES:
        write_image(tmp_path / "images" / name, (255, 255, 0))
    assert cli.main(["predict", str(run), str(tmp_path / "images")]) == 0
    output = capsys.readouterr().out
    assert all(name in output for name in NAMES)
    assert output.count("[meme] 0.95, [/x] 0.95") == len(NAMES)


def test_folds_long_paths_so_that_images_can_be_told_apart(
    run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("COLUMNS", "60")
    names = [f"{'x' * 90}_{index}.png" for index in range(2)]
    for name in names:
        write_image(tmp_path / "images" / name, (255, 255, 0))
    assert cli.main(["predict", str(run), str(tmp_path / "images")]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = [line.split("│")[1] for line in lines if line.startswith("│")]
    shown = "".join(cell.strip() for cell in cells)
    assert all(name in shown for name in names)


def test_shows_control_characters_of_file_names_escaped(
    run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("COLUMNS", "400")
    for name in ("a\x1b[31m\u202e.png", "b\n.png", os.fsdecode(b"caf\xe9.png")):
        rename(write_image(tmp_path / "images/new.png", (255, 0, 0)), name)
    assert cli.main(["predict", str(run), str(tmp_path / "images")]) == 0
    output = capsys.readouterr().out
    for name in (r"a\x1b[31m\u202e.png", r"b\x0a.png", r"caf\xe9.png"):
        assert name in output
    assert not {"\x1b", "\u202e"} & set(output)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_counts_names_that_are_not_utf8(run, image, tmp_path, suffix, capsys):
    write_image(image.with_name("other.png"), (255, 0, 0))
    rename(image, os.fsdecode(b"caf\xe9.png"))
    output = tmp_path / f"rows{suffix}"
    command = ["predict", str(run), str(image.parent), "--output", str(output)]
    assert cli.main(command) == 0
    assert "2 images, 0 of them broken. 1 file name not" in capsys.readouterr().out
    assert r"caf\xe9.png" in output.read_text("utf-8").replace(r"\\", "\\")


def test_a_model_whose_weights_are_nan_is_an_error(run, image, tmp_path, capsys):
    images = keras.Input((8, 8, 3))
    dense = keras.layers.Dense(3)
    model = keras.Model(images, dense(keras.layers.Flatten()(images)))
    dense.set_weights([np.zeros((192, 3)), np.full(3, np.nan)])
    model.save(run / "model.keras")
    output = tmp_path / "rows.jsonl"
    command = ["predict", str(run), str(image), "--output", str(output)]
    assert cli.main(command) == 2
    assert "finite numbers; got nan" in capsys.readouterr().err
    assert not output.exists()


def test_more_images_per_batch_than_there_are_cost_nothing(run, image, capsys):
    command = ["predict", str(run), str(image), "--batch_size"]
    assert cli.main([*command, "65536"]) == 0
    assert cli.main([*command, "1000000"]) == 2
    assert "batch_size=1000000" in capsys.readouterr().err


def test_errors_of_tensorflow_and_ctrl_c_are_one_sentence(
    run, image, monkeypatch, capsys
):
    full = tf.errors.ResourceExhaustedError(None, None, "No space left on device")
    errors = [full, MemoryError(), csv.Error("line contains NUL"), OSError(28, "full")]
    for error in errors:
        monkeypatch.setattr(predict, "load_scorer", mock.Mock(side_effect=error))
        assert cli.main(["predict", str(run), str(image)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    stop = mock.Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr(predict, "load_scorer", stop)
    assert cli.main(["predict", str(run), str(image)]) == 130


def _write_training(data="photos.csv", *, folder="run", minutes=3.0, **options):
    """Writes the record of a finished training."""
    names = ("test", "reading", "groups")
    given = {name: options.pop(name) for name in names if name in options}
    settings = ClassifierSettings(folder=Path(folder), minutes=minutes, **options)
    described = describe_training(data, settings, **given)
    run = Run("train", "kmlic train it", described, *({} for _ in range(8)))
    run.write(settings.folder / "run.json")
    (settings.folder / "model.keras").touch()


@pytest.fixture
def start(monkeypatch):
    """Tells by its calls whether a training starts, without TensorFlow."""
    start = mock.Mock(side_effect=ValueError("it starts"))
    monkeypatch.setattr(cli, "start_tensorflow", start)
    return start


MERGED = ReadingOptions(merge=True)


@pytest.mark.parametrize(
    ("there", "options", "different"),
    [
        ({}, [], None),
        ({"data": "./photos.csv"}, ["--seed", "0"], None),
        ({"test": "a.csv", "reading": MERGED}, ["--test", "./a.csv"], "reading: merge"),
        ({"reading": MERGED}, ["--merge"], None),
        ({"weights": "./a.csv"}, ["--weights", "a.csv"], None),
        ({"weights": None}, [], "weights"),
        ({"image_size": 64}, [], "image_size"),
        ({"data": "a.csv"}, [], "data"),
        ({"groups": {"size": ("s", "l")}}, ["--groups", "groups.json"], None),
        ({"groups": {"size": ("s", "l")}}, [], "groups"),
    ],
)
def test_train_replaces_a_run_of_the_same_data_and_options_only(
    tmp_path, monkeypatch, capsys, start, there, options, different
):
    monkeypatch.chdir(tmp_path)
    for name in ("photos.csv", "a.csv"):
        (tmp_path / name).write_text("path,labels\n")
    (tmp_path / "groups.json").write_text('{"size": ["s", "l"]}')
    _write_training(**there)
    train = ["train", "photos.csv", "--folder", "run", *options]
    assert cli.main([*train, "--minutes", "9"]) == 2
    error = capsys.readouterr().err
    assert start.called == (different is None) and error.count("\n") == 1
    sentence = f"kmlic: run must be .* one of kmlic train it \\({different}: .* choose"
    assert bool(re.match(sentence, error)) == (different is not None)


def test_train_takes_the_same_path_in_another_folder_for_other_data(
    tmp_path, monkeypatch, capsys, start
):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "photos.csv").write_text("path,labels\n")
    run = tmp_path / "run"
    monkeypatch.chdir(tmp_path / "there")
    _write_training(folder=run)
    monkeypatch.chdir(tmp_path / "here")
    assert cli.main(["train", "photos.csv", "--folder", str(run)]) == 2
    changed = "data: '../there/photos.csv' there, '../here/photos.csv' here"
    assert changed in capsys.readouterr().err and not start.called
    assert cli.main(["train", "../there/photos.csv", "--folder", str(run)]) == 2
    assert "it starts" in capsys.readouterr().err


def test_train_replaces_no_run_of_another_command(tmp_path, monkeypatch, capsys, start):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos.csv").write_text("path,labels\n")
    settings = {"dataset": "street_fashion", "epochs": 3}
    command = "python -m recipes.msrn"
    run = Run("msrn", command, settings, *({} for _ in range(8)))
    run.write("run/run.json")
    (tmp_path / "run/model.keras").touch()
    assert cli.main(["train", "photos.csv", "--folder", "run"]) == 2
    assert f"it holds one of {command} (" in capsys.readouterr().err
    assert not start.called


def test_train_replaces_no_run_that_cannot_be_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    (tmp_path / "photos.csv").write_text("path,labels\n")
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "model.keras").touch()
    train = ["train", str(tmp_path / "photos.csv"), "--folder", str(tmp_path)]
    assert cli.main(train) == 2
    assert "unknown command" in capsys.readouterr().err


def test_sigterm_tidies_up(run, image, monkeypatch, capsys):
    def stop(*arguments, **options):
        with atomic_write(output) as temporary:
            temporary.touch()
            signal.raise_signal(signal.SIGTERM)

    output = run.parent / "rows.csv"
    before = sorted(run.parent.iterdir())
    monkeypatch.setattr(predict, "write_predictions", stop)
    command = ["predict", str(run), str(image), "--output", str(output)]
    assert cli.main(command) == STOPPED == 143
    assert capsys.readouterr().err == "kmlic: stopped\n"
    assert sorted(run.parent.iterdir()) == before


@pytest.mark.parametrize("argument", ["\x1b[31mred", "a\u202eb.exe", "a\x9bb\x00"])
@pytest.mark.parametrize(
    "words",
    [
        ["{}"],
        ["train", "x", "{}"],
        ["train", "x", "--minutes", "{}"],
        ["data", "{}"],
        ["data", "check", "x", "--near", "{}"],
        ["evaluate", "run", "--split", "{}"],
        ["predict", "run", "x", "--runtime", "{}"],
        ["export", "run", "--maps={}"],
    ],
)
def test_wrong_arguments_are_shown_escaped(words, argument, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main([word.format(argument) for word in words])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert not set(argument) & {"\x1b", "\u202e", "\x9b", "\x00"} & set(message)
    shown = "".join(message.replace("│", "").split())
    assert escape_text(argument) in shown.replace("\\\\", "\\")


def test_limits_the_images_that_are_decoded(run, image, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    command = ["predict", str(run), str(image)]
    assert cli.main([*command, "--max_pixels", "10"]) == 1
    assert "64 (8 x 8)" in capsys.readouterr().out
    assert cli.main([*command, "--max_bytes", "0"]) == 2
    path = write_dataset(tmp_path, 12)
    command = ["data", "check", str(path), "--images", "header"]
    assert cli.main([*command, "--max_bytes", "60"]) == 1
    assert "12 of 12 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nope"], "nope must be a file, a folder or the name of a dataset; there is"),
        (["own_images"], "and the datasets are street_fashion, street_fashion/patt"),
        (["cifar100", "--fractions", "0.5", "0.5", "0.5"], "`fractions` must be three"),
        (["cifar100", "--groups", "empty.json"], "empty.json must name at least one"),
    ],
)
def test_train_refuses_what_is_wrong_before_it_starts(
    tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.json").write_text("{}")
    monkeypatch.setattr(cli, "start_tensorflow", None)
    assert cli.main(["train", *options]) == 2
    found = capsys.readouterr()
    assert message in found.err and "starting" not in found.out
