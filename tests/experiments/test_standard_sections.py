import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data.multi_label_data import SkippedRow
from kmlic.evaluation import report_scores
from kmlic.evaluation.label_errors import find_label_errors
from kmlic.experiments import Trained
from kmlic.experiments.standard_sections import standard_sections
from kmlic.html_report import write_report
from kmlic.labels import Labels, to_probabilities
from kmlic.run_folder import Run
from tests.toys import LABELS, toy_data

EPOCHS = [{"loss": 0.7, "val_loss": 0.6, "val_mAP": 0.4, "learning_rate": 0.1}] * 2


def record(**changes):
    metrics = {"mAP": 0.5, "CF1": 0.25}
    better = {"mAP": 0.75, "CF1": None}
    return Run(
        **{
            "recipe": "toy",
            "command": "python -m recipes.toy --folder <here>",
            "settings": {"epochs": 2, "seeds": [0], "weights": None},
            "data": {
                "name": "toy",
                "fingerprints": {"0": "0123456789abcdef"},
                "sizes": {"train": 40, "validation": 40, "test": 40},
                "skipped": 1,
                "labels": "hash",
            },
            "results": {s: {"old": metrics, "new": better} for s in SPLITS},
            "deviations": {},
            "seeds": {"0": {}},
            "per_label": {
                s: {m: {"red": 0.9, "green": None, "blue": 0.1} for m in ("old", "new")}
                for s in SPLITS
            },
            "parameters": {"old": 12_000, "new": 0},
            "exports": {},
            "seconds": {"all": 90.0},
            "environment": {
                "versions": {"python": "3.11"},
                "commit": None,
                "machine": {"system": "Linux", "cores": 2, "memory_gb": 8},
                "date": "2026-11-22",
            },
            **changes,
        }
    )


SPLITS = ("test", "validation")


@pytest.fixture(scope="module")
def data():
    skipped = (SkippedRow(3, "a.jpg", "it is empty"),)
    return dataclasses.replace(toy_data(), skipped=skipped)


def sections(data, run=None, folder=Path(), **arguments):
    epochs = {"old": [EPOCHS], "new": []}
    found = standard_sections(
        run or record(), data, LABELS, folder, epochs=epochs, **arguments
    )
    return {section.title: section for section in found}


def test_compares_models_and_marks_the_best_of_each_column(data):
    table = sections(data)["Models on the test split"]
    assert table.header == ["model", "mAP", "CF1", "weights"]
    assert table.rows == [
        ["old", "50.00", "<strong>25.00</strong>", "12,000"],
        ["new", "<strong>75.00</strong>", "-", "-"],
    ]


def test_marks_nothing_where_there_is_nothing_to_compare(data):
    run = record(
        results={split: {"only": {"mAP": 0.5}} for split in SPLITS},
        deviations={split: {"only": {"mAP": 0.01}} for split in SPLITS},
        parameters={"only": 1},
        seeds={"0": {}, "1": {}},
    )
    table = sections(data, run)["Models on the test split"]
    assert table.rows == [["only", "50.00 ± 1.00", "1"]]
    assert "standard deviations of 2 seeds" in table.text


def test_counts_the_images_of_each_label(data):
    rows = sections(data)["Labels"].rows
    for row, train, test in zip(
        rows,
        (data.targets["train"] == 1).sum(axis=0),
        (data.targets["test"] == 1).sum(axis=0),
        strict=True,
    ):
        assert row[1:3] == [str(train), str(test)]
    assert [row[3] for row in rows] == [
        "<strong>90.00</strong>",
        "-",
        "<strong>10.00</strong>",
    ]


def test_draws_one_figure_per_value_of_the_epochs(data):
    figures = sections(data)["Learning curves"].figures
    assert [figure.axes[0].get_title() for figure in figures] == ["mAP", "loss"]
    loss = figures[1].axes[0].lines
    assert [line.get_ydata().tolist() for line in loss] == [[0.6, 0.6], [0.7, 0.7]]


def test_draws_no_curves_without_epochs(data):
    found = standard_sections(record(), data, LABELS, Path(), epochs={"probe": [[]]})
    (curves,) = [s for s in found if s.title == "Learning curves"]
    assert not curves.figures and not curves.text


def test_a_legend_of_many_models_leaves_room_for_the_curves(data):
    many = {f"width={n}": [EPOCHS] for n in range(18)}
    found = standard_sections(record(), data, LABELS, Path(), epochs=many)
    (curves,) = [s for s in found if s.title == "Learning curves"]
    for figure in curves.figures:
        figure.draw_without_rendering()
        (axes,) = figure.axes
        assert axes.get_window_extent().height > figure.bbox.height / 3
        assert len(figure.legends[0].texts) == 18


@pytest.mark.slow
def test_a_page_of_80_labels_and_5000_images_is_below_5_mb(tmp_path):
    count, random = 5000, np.random.default_rng(0)
    labels = Labels(tuple(f"label of usual length {number}" for number in range(80)))
    targets = (random.uniform(size=(count, 80)) < 0.04).astype("int8")
    scores = to_probabilities(3.0 * targets - 2 + random.normal(size=targets.shape))
    report = report_scores(targets, scores, labels, resamples=20)
    models, epochs = ("old", "new", "newer"), [EPOCHS * 20] * 3
    run = record(
        results={s: dict.fromkeys(models, report.metrics) for s in SPLITS},
        per_label={s: dict.fromkeys(models, report.per_label) for s in SPLITS},
        label_intervals={
            s: {"old": report.describe_intervals()["label_intervals"]} for s in SPLITS
        },
    )
    # Of noise, of which no JPEG is smaller.
    images = tf.data.Dataset.range(count).map(
        lambda row: tf.random.stateless_uniform((96, 96, 3), (row, 0), 0, 256, tf.int64)
    )
    own = tf.data.Dataset.zip(images, tf.data.Dataset.from_tensor_slices(targets))
    data = dataclasses.replace(
        toy_data(),
        labels=labels,
        validation=own.batch(32),
        test=own.batch(32),
        targets=dict.fromkeys(("train", *SPLITS), targets),
        paths=dict.fromkeys(
            ("train", *SPLITS), tuple(f"a folder/{n:012}.jpg" for n in range(count))
        ),
    )
    page = standard_sections(
        run,
        data,
        labels,
        tmp_path,
        epochs=dict.fromkeys(models, epochs),
        best=Trained("old", 0, dict.fromkeys(SPLITS, (targets, scores))),
        errors=find_label_errors(targets, scores),
    )
    write_report(tmp_path / "report.html", "A run", page)
    size = (tmp_path / "report.html").stat().st_size
    assert 1_000_000 < size < 5_000_000


def test_draws_the_curve_of_every_label_that_has_positives(data):
    targets = data.targets["test"].copy()
    targets[:, 1] = 0
    targets[0, 0] = -1
    scores = np.random.default_rng(0).uniform(size=targets.shape)
    both = {"test": (targets, scores), "validation": (targets, scores)}
    section = sections(data, best=Trained("old", 0, both))["Precision and recall"]
    (figure,) = section.figures
    names = {text.get_text().split()[0] for text in figure.axes[0].get_legend().texts}
    assert names == {"red", "blue"}


def test_shows_the_images_with_the_largest_errors(data):
    targets = data.targets["validation"]
    scores = np.abs(targets - 0.1)
    scores[17] = [0.99, 0.01, 0.6] * (1 - targets[17]) + [0.01, 0.02, 0.3] * targets[17]
    both = {"test": (targets, scores), "validation": (targets, scores)}
    section = sections(data, best=Trained("old", 0, both))["Largest errors"]
    worst = section.pictures[0]
    images = np.concatenate(
        [images for images, _ in data.validation.as_numpy_iterator()]
    )
    np.testing.assert_array_equal(worst.image, images[17])
    true = [n for n, t in zip(LABELS.names, targets[17], strict=True) if t]
    assert worst.caption.splitlines()[0] == f"true: {', '.join(true) or 'none'}"
    for name, target, score in zip(LABELS.names, targets[17], scores[17], strict=True):
        line = worst.caption.splitlines()[1 if target else 2]
        assert (f"{name} {score:.2f}" in line) == ((score >= 0.5) != target)


def test_says_what_was_run_and_what_was_left_out(data, tmp_path):
    (tmp_path / "model.tflite").write_bytes(bytes(1_500_000))
    run = record(exports={"model.tflite": 1.25e-7})
    found = sections(data, run, tmp_path)
    facts = dict(found["What was run"].rows)
    assert (
        facts["command"] == "<code>python -m recipes.toy --folder &lt;here&gt;</code>"
    )
    assert facts["images"] == "40 train, 40 validation, 40 test"
    assert facts["time"] == "1.5 minutes"
    assert found["Settings"].rows[1:] == [["seeds", "0"], ["weights", "-"]]
    assert found["Skipped images"].rows == [["3", "a.jpg", "it is empty"]]
    assert found["Exports"].rows == [["model.tflite", "tflite", "1.2e-07", "1.5"]]


def test_compares_thresholds(data):
    targets = data.targets["validation"]
    scores = 0.3 * targets + np.random.default_rng(0).uniform(0, 0.4, targets.shape)
    both = {"test": (targets, scores), "validation": (targets, scores)}
    tuned = dataclasses.replace(LABELS, thresholds=(0.35, 0.3, 0.3))
    found = standard_sections(
        record(), data, tuned, Path(), epochs={}, best=Trained("old", 0, both)
    )
    (table,) = [section for section in found if section.title == "Thresholds"]
    assert [row[1] for row in table.rows] == ["validation", "test"] * 3
    assert [row[0] for row in table.rows[::4]] == ["0.5", "each label's own"]
    column = table.header.index("CF1")
    for thresholds, row in ((LABELS, 0), (tuned, 4)):
        expected = report_scores(targets, scores, thresholds).metrics["CF1"]
        assert table.rows[row][column] == f"{100 * expected:.2f}"
    (calibration,) = [section for section in found if section.title == "Calibration"]
    legend = calibration.figures[0].axes[0].get_legend().texts
    assert legend[1].get_text().startswith("temperature 0.")


def test_exclusive_groups_have_no_thresholds(data):
    labels = Labels(LABELS.names, {"colour": LABELS.names}, exclusive=True)
    targets = np.eye(3, dtype="int8")[np.arange(40) % 3]
    scores = np.full((40, 3), 0.2) + 0.2 * np.roll(targets, 1, axis=1)
    both = {"test": (targets, scores), "validation": (targets, scores)}
    found = standard_sections(
        record(), data, labels, Path(), epochs={}, best=Trained("old", 0, both)
    )
    titles = {section.title: section for section in found}
    assert "Thresholds" not in titles
    assert "threshold" not in titles["Labels"].header
    assert {len(row) for row in titles["Labels"].rows} == {len(titles["Labels"].header)}
    caption = titles["Largest errors"].pictures[0].caption.splitlines()
    assert caption[1].startswith("missed: ") and caption[1].endswith(" 0.20")
    assert caption[2].startswith("wrongly predicted: ") and caption[2].endswith(" 0.40")
