import dataclasses
import importlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from rich.console import Console

from kmlic import cli
from kmlic.classifier import features, train_classifier
from kmlic.classifier.budget import Budget
from kmlic.classifier.check import check
from kmlic.data.inspect_rows import inspect_rows
from kmlic.data.read_listing import read_listing
from kmlic.experiments import check_labels, evaluate_run, export_run
from kmlic.experiments.unseen_scores import read_unseen_scores
from kmlic.explain import activation_maps
from kmlic.labels import Labels
from kmlic.metrics import mean_average_precision
from kmlic.predict import load_run, load_scorer, predict_paths
from tests.classifier.photos import draw, small_settings, write_photos
from tests.toys import toy_data

RESIDUAL = {"backbone": "small_resnet"}
SMALL = ["--backbone", "small_cnn", "--weights", "None", "--image_size", "64"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    place = tmp_path_factory.mktemp("trained")
    table = write_photos(place / "photos")
    run = train_classifier(table, small_settings(place / "run", **RESIDUAL))
    return place, table, run


def test_leaves_a_run_that_predicts_and_explains(trained):
    place, table, run = trained
    model, labels = load_run(place / "run")
    assert labels.names == ("blue", "green", "red")
    images = np.zeros((2, 64, 64, 3), "float32")
    assert activation_maps(model, images).shape[-1] == 3
    scorer = load_scorer(place / "run", runtime="tflite")
    rows = list(predict_paths(scorer, [table.parent / "000.png"]))
    assert rows[0].probabilities.shape == (3,)
    assert all(difference < 1e-4 for difference in run.exports.values())


def test_keeps_intervals_and_scores_by_models_that_did_not_see_the_images(trained):
    place, table, run = trained
    model = run.data["exported"]["model"]
    for split in ("validation", "test"):
        for metric, interval in run.intervals[split][model].items():
            assert interval["value"] == run.results[split][model][metric]
            assert interval["low"] <= interval["value"] <= interval["high"]
    labels = Labels.read(place / "run" / "labels.json")
    digests, probabilities = read_unseen_scores(place / "run", labels)
    sizes = run.data["sizes"]
    assert len(set(digests.tolist())) == len(probabilities) == sum(sizes.values())
    trained_on = np.load(place / "run" / "train_images.npy")
    assert np.isin(trained_on, digests).all()
    listing = read_listing(table)
    found = check_labels(place / "run", inspect_rows(listing, check="decode"))
    assert not any(f.title == "Images without a score" for f in found.findings)


def test_evaluating_a_run_repeats_the_test_figures_in_run_json(trained):
    place, table, run = trained
    expected = run.results["test"][run.data["exported"]["model"]]
    own = evaluate_run(place / "run")
    again = evaluate_run(place / "run", dataset=table, split="all")
    for report in (own, again):  # without the images that it was trained on
        assert report.images == run.data["sizes"]["test"] == 12
        assert report.metrics == pytest.approx(expected, abs=1e-7, nan_ok=True)
    with pytest.raises(ValueError, match="Ask for another split or dataset"):
        evaluate_run(place / "run", split="validation")
    # Exports are compared on test images.
    (export,) = export_run(place / "run", formats=("tflite",))
    assert export.difference < 1e-4


def test_evaluating_a_run_repeats_boxes_groups_and_a_test_of_its_own(
    tmp_path, without_exports
):
    options = {
        "header": "path,labels,x1,y1,x2,y2",
        "one_each": True,
        "extra": lambda n: (n % 9, 0, 40, 48),
    }
    table = write_photos(tmp_path / "photos", 30, **options)
    test = write_photos(tmp_path / "test", 12, **options, seed=100)
    run = train_classifier(table, small_settings(tmp_path / "run"), test=test)
    expected = run.results["test"][run.data["exported"]["model"]]
    report = evaluate_run(tmp_path / "run")
    assert report.metrics == pytest.approx(expected, abs=1e-7, nan_ok=True)
    draw(["red"], 99).save(test.parent / "001.png")
    with pytest.raises(ValueError, match=r"1 have changed: .*test/001.png"):
        evaluate_run(tmp_path / "run")
    (test.parent / "001.png").unlink()
    with pytest.raises(ValueError, match=r"must be where they were; 1 are not"):
        evaluate_run(tmp_path / "run")


def test_a_log_that_cannot_be_reached_spoils_no_training(
    tmp_path, without_exports, monkeypatch, caplog
):
    module = sys.modules["kmlic.training.open_log"]
    unreachable = mock.Mock(side_effect=ConnectionError("no\n server"))
    monkeypatch.setitem(module._OPEN, "tensorboard", unreachable)
    failed_before = {"tensorboard": time.monotonic()}  # another run of this process
    monkeypatch.setattr(module, "_failed_at", failed_before)
    stage = importlib.import_module("kmlic.classifier.fine_tuning")
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    plan = stage._Plan(0.0, 1, 2, 0)
    monkeypatch.setattr(stage, "_plan", lambda *_: (plan, "little time"))
    table = write_photos(tmp_path / "photos", 30)
    train_classifier(table, small_settings(tmp_path / "run", log="tensorboard"))
    assert (tmp_path / "run/run.json").exists()
    assert caplog.text.count("without sending values to tensorboard: no server") == 1


def test_counts_the_same_training_images_everywhere(tmp_path, without_exports):
    table = write_photos(
        tmp_path / "photos",
        15,
        header="path,labels,split",
        extra=lambda n: (["train", "train", "validation"][n % 3],),
    )
    log = io.StringIO()
    settings = small_settings(tmp_path / "run", models=("peaks",))
    train_classifier(table, settings, console=Console(file=log, width=500))
    expected = "15 training images, of which 5 are the validation split"
    page = (tmp_path / "run/report.html").read_text()
    assert expected in log.getvalue() and page.count(expected) == 2
    checked = check(table, tmp_path)
    # Two labels have five images only with those of the validation split.
    present = checked.images.targets == 1
    assert (present.sum(axis=0) >= 5).all()
    assert (present[checked.images.split == 0].sum(axis=0) < 5).any()
    assert not any("fewer than 5" in found.title for found in checked.findings)


def test_evaluating_a_run_of_a_named_dataset_loads_it_again(
    tmp_path, without_exports, monkeypatch
):
    monkeypatch.setattr(features, "SIZES", (48, 224))
    monkeypatch.setattr(features, "_measure", lambda *_: 1.0)  # a second an image
    settings = small_settings(tmp_path / "run", image_size=None)
    run = train_classifier("street_fashion/tiny", settings)
    assert run.settings["image_size"] == 48
    expected = run.results["test"][run.data["exported"]["model"]]
    report = evaluate_run(tmp_path / "run")
    assert report.metrics == pytest.approx(expected, abs=1e-7, nan_ok=True)


def test_a_dataset_that_no_name_loads_is_evaluated_with_another(
    tmp_path, without_exports
):
    settings = small_settings(tmp_path / "run", image_size=None, **RESIDUAL)
    train_classifier(toy_data(), settings)
    with pytest.raises(ValueError, match=r"cannot be loaded by name.*the split all"):
        evaluate_run(tmp_path / "run")


def test_replaces_no_run_of_other_data_or_settings(trained):
    place, table, _ = trained
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    settings = small_settings(place / "run", minutes=9.0, **RESIDUAL)
    rows = pd.read_csv(table)
    for data, changes, options, message in (
        (table, {"seed": 1}, {}, "seed: 0 there, 1 here"),
        (table, {"image_size": None}, {}, "image_size: 64 there, None here"),
        (table, {}, {"test": table}, r"test: None there, .* here"),
        (rows, {}, {}, r"data: '\.\./photos/labels\.csv' there, 'table .*' here"),
    ):
        with pytest.raises(ValueError, match=rf"run must be new .*\({message}\)"):
            train_classifier(data, dataclasses.replace(settings, **changes), **options)
    after = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    assert after == before


def test_the_exported_model_gives_the_scores_in_run_json(trained):
    place, table, _ = trained
    record = json.loads((place / "run/run.json").read_text())
    (name,) = record["parameters"]
    sizes = record["data"]["sizes"]
    assert sum(sizes.values()) == 60
    assert sizes["test"] >= 10
    model, _ = load_run(place / "run")
    images = check(table, place / "again").images
    rows = images.test_rows
    batches = images.batches(rows, image_size=64, batch_size=8)
    logits = np.concatenate([model.predict_on_batch(x) for x, _ in batches])
    value = mean_average_precision(images.targets[rows], logits)
    assert value == pytest.approx(record["results"]["test"][name]["mAP"], abs=1e-6)


def test_the_report_begins_with_the_verdict(trained):
    place, _, _ = trained
    page = (place / "run/report.html").read_text()
    verdict = page.index("The exported model is ")
    assert verdict < page.index("What to do next") < page.index("Metrics</h2>")
    assert f"kmlic predict {place / 'run'}" in re.sub("</?span>", "", page)
    assert "<title>Classifier for photos</title>" in page


def test_takes_up_what_is_there_with_more_minutes(
    tmp_path, without_exports, monkeypatch
):
    stage = importlib.import_module("kmlic.classifier.fine_tuning")
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    # A network is trained in each fold.
    monkeypatch.setattr("kmlic.classifier.protocol._NUM_FOLDS", 2)
    table = write_photos(tmp_path / "photos", 24)
    log = io.StringIO()
    console = Console(file=log, width=500)

    def allow(epochs, text):
        plan = stage._Plan(0.0, epochs, 2, 0)
        monkeypatch.setattr(stage, "_plan", lambda *_: (plan, text))

    crops = tmp_path / ".run.stages/crops-of-others-4"
    crops.mkdir(parents=True)
    allow(0, "no time")
    train_classifier(table, small_settings(tmp_path / "run"), console=console)
    assert "fine-tuning: left out: no time" in log.getvalue()
    assert "More --minutes allow fine-tuning: the same comm" in log.getvalue()
    assert not crops.exists()
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.glob(".run.stages/*/*.npy")}
    assert kept
    allow(3, "time for 3 epochs")
    train_classifier(
        table, small_settings(tmp_path / "run", minutes=6.0), console=console
    )
    assert "more epochs of fine-tuning: the same command" in log.getvalue()
    for path, changed in kept.items():
        assert path.stat().st_mtime_ns == changed
    folds = list(tmp_path.glob(".run.stages/fine-tuning-*/fold-*-3-0-0.npz"))
    assert folds
    # No more minutes: nothing is planned or trained again.
    monkeypatch.setattr(stage, "_plan", None)
    did = mock.Mock()
    with monkeypatch.context() as patched:
        patched.setattr(Budget, "do", did)
        train_classifier(
            table, small_settings(tmp_path / "run", minutes=6.0), console=console
        )
    assert did.called and "measuring" not in str(did.call_args_list)
    monkeypatch.setattr(stage, "_MOST_EPOCHS", 4)
    monkeypatch.setattr(stage, "_MOST_MEMBERS", 1)
    allow(4, "enough")
    train_classifier(
        table, small_settings(tmp_path / "run", minutes=7.0), console=console
    )
    assert not (tmp_path / ".run.stages").exists()  # nothing is left to be done
    assert log.getvalue().splitlines()[-1].endswith("report.html")


@pytest.mark.parametrize(
    ("wish", "kept"), [("larger images", False), ("more epochs of fine-tuning", True)]
)
def test_keeps_crops_for_more_epochs_only(tmp_path, wish, kept):
    module = sys.modules["kmlic.classifier.train_classifier"]
    crops = tmp_path / "stages/crops-1-4"
    crops.mkdir(parents=True)
    budget = Budget(1)
    budget.wish(wish)
    module._say_next(tmp_path / "run", tmp_path / "stages", budget)
    assert crops.exists() == kept and crops.parent.exists()


def test_ctrl_c_leaves_what_was_done(tmp_path, without_exports, monkeypatch):
    table = write_photos(tmp_path / "photos", 24)
    module = sys.modules["kmlic.classifier.train_classifier"]
    log = io.StringIO()
    console = Console(file=log, width=500)
    with monkeypatch.context() as patched:
        patched.setattr(module, "choice", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train_classifier(table, small_settings(tmp_path / "run"), console=console)
    assert "interrupted: the same command goes on where it was" in log.getvalue()
    kept = [p.stat().st_mtime_ns for p in tmp_path.glob(".run.stages/features-*/*.npy")]
    assert kept
    with monkeypatch.context() as patched:
        features = importlib.import_module("kmlic.classifier.features")
        patched.setattr(features, "_compute", None)  # nothing is computed again
        train_classifier(table, small_settings(tmp_path / "run"), console=console)
    assert not (tmp_path / ".run.stages").exists()


@pytest.mark.parametrize(
    "error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM")]
)
@pytest.mark.parametrize(
    ("stage", "left"),
    [("build_backbone", False), ("make_protocol", False), ("features", True)],
)
def test_says_what_to_do_without_enough_memory(
    tmp_path, monkeypatch, error, stage, left
):
    module = sys.modules["kmlic.classifier.train_classifier"]
    monkeypatch.setattr(module, stage, mock.Mock(side_effect=error))
    table = write_photos(tmp_path / "photos", 12)
    with pytest.raises(MemoryError, match=r"image_size=64\..*--image_size, .* 32") as e:
        train_classifier(table, small_settings(tmp_path / "run"))
    assert (tmp_path / ".run.stages").exists() == left
    assert (f"{tmp_path}/.run.stages, which can be removed" in str(e.value)) == left


def test_advises_no_smaller_images_than_the_smallest(tmp_path, monkeypatch):
    module = sys.modules["kmlic.classifier.train_classifier"]
    monkeypatch.setattr(module, "make_protocol", mock.Mock(side_effect=MemoryError()))
    table = write_photos(tmp_path / "photos", 12)
    with pytest.raises(MemoryError, match=r"=32\. .* or choose another --backbone\.$"):
        train_classifier(table, small_settings(tmp_path / "run", image_size=32))


def test_other_images_or_labels_are_noticed(tmp_path, without_exports):
    table = write_photos(tmp_path / "photos", 24)
    module = sys.modules["kmlic.classifier.train_classifier"]
    with mock.patch.object(module, "choice", mock.Mock(side_effect=KeyboardInterrupt)):
        with pytest.raises(KeyboardInterrupt):
            train_classifier(table, small_settings(tmp_path / "run"))
        draw(["red"], 77).save(table.parent / "005.png")
        with pytest.raises(KeyboardInterrupt):
            train_classifier(table, small_settings(tmp_path / "run"))
        assert len(list(tmp_path.glob(".run.stages/features-*"))) == 2
        text = table.read_text().replace("005.png,", "005.png,green|")
        table.write_text(text)
        with pytest.raises(KeyboardInterrupt):
            train_classifier(table, small_settings(tmp_path / "run"))
    assert len(list(tmp_path.glob(".run.stages/features-*"))) == 3


def test_uses_splits_boxes_and_exclusive_groups(tmp_path, without_exports):
    table = write_photos(
        tmp_path / "photos",
        header="path,labels,split,x1,y1,x2,y2",
        one_each=True,
        extra=lambda n: (["train", "train", "test"][n // 3 % 3], 0, 0, 40, 48),
    )
    run = train_classifier(table, small_settings(tmp_path / "run"))
    assert run.data["sizes"] == {"train": 42, "validation": 0, "test": 18}
    (name,) = run.parameters
    assert "accuracy/label" in run.results["test"][name]
    _, labels = load_run(tmp_path / "run")
    assert labels.exclusive


def test_test_images_choose_nothing(tmp_path, without_exports):
    table = write_photos(tmp_path / "photos", 40)
    test = write_photos(tmp_path / "test", 12, seed=100)
    first = train_classifier(table, small_settings(tmp_path / "a"), test=test)
    # Other labels of the test images change the test scores and nothing else.
    lines = test.read_text().splitlines()
    names, marks = zip(*(line.split(",") for line in lines[1:]), strict=True)
    turned = [lines[0], *map(",".join, zip(names, marks[::-1], strict=True))]
    test.write_text("\n".join(turned) + "\n")
    second = train_classifier(table, small_settings(tmp_path / "b"), test=test)
    assert first.results["validation"] == second.results["validation"]
    assert first.results["test"] != second.results["test"]
    assert first.data["sizes"]["test"] == 12


def _without_labels(folder):
    table = write_photos(folder, 6)
    names = sorted(path.name for path in folder.glob("*.png"))
    table.write_text("\n".join(["path,labels", *(f"{name}," for name in names)]))
    return table


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda folder: folder / "gone.csv", "there is no such file or folder"),
        (lambda folder: write_photos(folder, 3), "at least 4 training images"),
        (_without_labels, "it has 6 usable images, none with a label"),
    ],
)
def test_says_what_cannot_be_trained_on_and_leaves_nothing(
    tmp_path, write, message, capsys
):
    data = write(tmp_path / "photos")
    command = ["train", str(data), "--folder", str(tmp_path / "run"), *SMALL]
    assert cli.main(command) == 2
    assert message in capsys.readouterr().err
    assert not [path for path in tmp_path.iterdir() if "run" in path.name]


def test_images_that_cannot_be_read_stop_it_or_are_left_out(tmp_path, without_exports):
    table = write_photos(tmp_path / "photos", 16)
    test = write_photos(tmp_path / "test", 12, seed=100)
    (table.parent / "003.png").write_bytes(b"no image")
    with pytest.raises(
        ValueError, match=r"not usable: 1\. row 5, 003.png: .*[^.]\. Correct.* skip;"
    ):
        train_classifier(table, small_settings(tmp_path / "run"))
    (test.parent / "005.png").write_bytes(b"no image")
    settings = small_settings(tmp_path / "run", on_error="skip", models=("peaks",))
    shutil.copy(table.with_name("000.png"), test.with_name("000.png"))
    log = io.StringIO()
    console = Console(file=log, width=500)
    run = train_classifier(table, settings, test=test, console=console)
    assert run.data["skipped"] == 2
    assert run.data["sizes"] == {"train": 15, "validation": 0, "test": 11}
    page = (tmp_path / "run/report.html").read_text()
    assert "Unusable rows" in page
    assert "005.png" in page
    assert "003.png" in page
    copies = "; 1 of the 11 test images is a copy of a training image"
    for text in (page, log.getvalue()):
        assert copies in text and "on other images of this kind" not in text
    (table.parent / "003.png").unlink()
    with pytest.raises(ValueError, match=r"test/labels.csv .* row 7, 005.png"):
        draw(["red"], 3).save(table.parent / "003.png")
        train_classifier(table, small_settings(tmp_path / "other"), test=test)


def test_a_label_that_is_unknown_everywhere_hurts_no_other(tmp_path, without_exports):
    data = toy_data()
    for targets in data.targets.values():
        targets[:, 1] = -1
    settings = small_settings(tmp_path / "run", image_size=None, **RESIDUAL)
    run = train_classifier(data, settings)
    (name,) = run.parameters
    values = run.per_label["test"][name]
    assert values["green"] is None
    assert values["red"] == pytest.approx(1.0)


def test_few_images_have_no_test(tmp_path, without_exports):
    table = write_photos(tmp_path / "photos", 12)
    run = train_classifier(table, small_settings(tmp_path / "run"))
    assert run.data["sizes"]["test"] == 0
    assert "test" not in run.results
    with pytest.raises(ValueError, match=r"test split of .*run must hold an image"):
        evaluate_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"metric": "accuracy"}, "must be mAP for labels without exclusive groups"),
        ({"weights": "gone.h5"}, r"there is none at gone\.h5\.$"),
        ({"weights": "none"}, r"or None for random ones; .*Write --weights None\."),
    ],
)
def test_refuses_what_the_data_lacks_and_leaves_nothing(tmp_path, setting, message):
    table = write_photos(tmp_path / "photos", 12)
    with pytest.raises(ValueError, match=message):
        train_classifier(table, small_settings(tmp_path / "run", **setting))
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_models_that_are_named_are_the_only_ones_tried(tmp_path, without_exports):
    table = write_photos(tmp_path / "photos", 16)
    settings = small_settings(tmp_path / "run", models=("logistic_regression",))
    buffer = io.StringIO()
    train_classifier(table, settings, console=Console(file=buffer, width=500))
    assert " floor: " in buffer.getvalue()
    assert " heads: " not in buffer.getvalue()
    assert " fine-tuning: " not in buffer.getvalue()


def test_a_model_in_bfloat16_is_exported_in_float32(tmp_path, without_exports):
    table = write_photos(tmp_path / "photos", 16)
    run = train_classifier(
        table, small_settings(tmp_path / "run", precision="bfloat16")
    )
    model, _ = load_run(tmp_path / "run")
    layers = [layer for layer in model.layers if hasattr(layer, "compute_dtype")]
    assert {layer.compute_dtype for layer in layers} == {"float32"}
    again = train_classifier(
        table, small_settings(tmp_path / "again", precision="float32")
    )
    values = [
        each.results["validation"]["logistic regression"] for each in (run, again)
    ]
    assert values[0]["mAP"] == pytest.approx(values[1]["mAP"], abs=0.2)


def test_refuses_losses_that_exclusive_groups_do_not_have(tmp_path):
    table = write_photos(tmp_path / "photos", 12, one_each=True)
    with pytest.raises(ValueError, match=r"crossentropy for exclusive.*got asymmetric"):
        train_classifier(table, small_settings(tmp_path / "run", loss="asymmetric"))


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_like_one_that_is_not(tmp_path):
    table = write_photos(tmp_path / "photos", 60)
    random = np.random.default_rng(0)

    def train(name, steps=0, seconds=0.0):
        command = [table, tmp_path / name, steps, seconds]
        return subprocess.run(
            [sys.executable, "-m", "tests.classifier.killed", *map(str, command)],
            check=False,
        ).returncode

    assert train("whole") == 0
    kills = 0
    for attempt in range(40):
        # Each attempt is allowed more steps than the last one, so that there is a
        # death in every stage.
        killed = train("killed", 1 + 3 * attempt, random.uniform(0, 1.5))
        if killed == 0:
            break
        assert killed == -signal.SIGKILL
        assert not (tmp_path / "killed").exists()  # completely or not at all
        kills += 1
    assert kills >= 8
    whole, other = (
        json.loads((tmp_path / name / "run.json").read_text())
        for name in ("whole", "killed")
    )
    assert other["data"]["exported"] == whole["data"]["exported"]
    for split, models in whole["results"].items():
        for model, metrics in models.items():
            assert other["results"][split][model] == pytest.approx(
                metrics, abs=1e-6, nan_ok=True
            )
    left = {path.name for path in tmp_path.iterdir()}
    assert left - {".whole.lock", ".killed.lock"} == {"photos", "whole", "killed"}
