import dataclasses

import numpy as np

from kmlic.evaluation import report_scores
from kmlic.experiments.label_section import label_section
from kmlic.labels import Labels
from tests.experiments.test_scored_images import scored
from tests.experiments.test_standard_sections import record


def section(images=None, **changes):
    run = record(
        per_label={
            "test": {
                "new": {"cat": 0.75, "dog": None},
                "old": {"cat": 0.5, "dog": 0.25},
            }
        },
        label_intervals={
            "test": {"new": {"cat": {"value": 0.75, "low": 0.5, "high": 1.0}}}
        },
    )
    images = images or scored()
    return label_section(
        run,
        images,
        images,
        split="test",
        models=["new", "old"],
        training=np.array([7, 1200]),
    )


def test_lists_precision_recall_threshold_and_average_precision():
    assert section().rows == [
        ["cat", "7", "2", "50.0", "50.0", "0.50", "75.0", "50.0 to 100.0", "50.0"],
        ["dog", "1,200", "1", "0.0", "0.0", "0.20", "-", "", "25.0"],
    ]


def test_says_why_labels_have_no_interval():
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, (60, 3))
    targets[:, 1] = np.arange(60) < 4
    scores = targets * [1, 1, 0] + random.random((60, 3)) * [0.1, 0.1, 1]
    labels = Labels(("perfect", "rare", "noisy"))
    report = report_scores(targets, scores / 2, labels, resamples=50)
    assert list(report.label_intervals) == ["noisy"]
    assert report.per_label["perfect"] == 1.0
    text = section().text
    assert "if fewer than 5 images show it, or if its average precision is" in text
    assert "the same in almost every draw of the images, as 100.0 is" in text


def test_leaves_open_what_is_not_defined():
    images = dataclasses.replace(
        scored(), targets=np.array([[0, -1]] * 3), probabilities=np.full((3, 2), 0.1)
    )
    assert [row[2:5] for row in section(images).rows] == [["0", "-", "-"]] * 2


def test_shows_a_curve_and_examples_of_each_label_on_demand():
    cat, dog = section().details
    assert cat.title == "cat" and cat.charts[0].mark == 0.5
    curves = cat.charts[0].curves
    assert curves["recall"][0] == (0.0, 1.0) and curves["recall"][-1] == (1.0, 0.0)
    # At 0.5 it is called in two images and right in one.
    assert dict(curves["precision"])[0.5] == 0.5
    kinds = {g.title: [p.name for p in g.pictures] for g in cat.galleries}
    assert kinds == {
        "Found": ["a.jpg: cat"],
        "Missed": ["b.jpg: cat"],
        "Wrongly predicted": ["c.jpg: dog"],
    }
    assert [len(g.pictures) for g in dog.galleries] == [0, 1, 1]


def test_loads_a_bounded_number_of_images():
    loaded = []
    names = tuple(f"label {i}" for i in range(500))
    random = np.random.default_rng(0)
    images = dataclasses.replace(
        scored(paths=(), loaded=loaded),
        labels=Labels(names),
        targets=random.integers(0, 2, (2000, 500)),
        probabilities=random.random((2000, 500)),
    )
    details = label_section(
        record(per_label={"test": {"new": {}}}),
        images,
        images,
        split="test",
        models=["new"],
        training=np.ones(500, int),
    ).details
    assert len(details) == 300 and len(loaded[0]) <= 300
