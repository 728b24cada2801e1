import dataclasses

import numpy as np
import pytest

from kmlic.data.finding import Finding
from kmlic.data.reading_options import ReadingOptions
from kmlic.evaluation.bootstrap import Interval
from kmlic.experiments.summarise_run import (
    Standing,
    describe_caution,
    summarise_run,
    title_of,
)
from tests.experiments.test_doubtful_section import find_label_errors, many
from tests.experiments.test_scored_images import scored
from tests.experiments.test_standard_sections import record

VALUE = Interval(0.5, 0.4, 0.6)
STANDING = Standing("peaks", "mAP", VALUE, "plain", Interval(0.05, 0.01, 0.09))
TRAIN = record(
    recipe="train",
    settings={"minutes": 1},
    data={"name": "my photos/labels.csv", "sizes": {"train": 5, "test": 3}},
)


def summarise(standing=STANDING, run=TRAIN, folder="my run", **changes):
    arguments = {"training": np.array([50, 50]), **changes}
    return summarise_run(run, standing, scored(), folder=folder, **arguments)


def test_says_which_model_how_good_and_whether_it_beats_the_baseline():
    summary = summarise()
    assert summary.text == (
        "The exported model is peaks. Its mAP on 3 test images is 50.0 of 100; on "
        "other images of this kind expect 40.0 to 60.0. It is better than the plain "
        "baseline in mAP."
    )
    values = {name: (value, note) for name, value, note in summary.facts}
    assert values["mAP, %"][0] == "50.0"
    assert values["Against the plain baseline"] == (
        "+5.0",
        "95 % interval +1.0 to +9.0; the baseline is plain",
    )
    assert values["Data"] == (
        "8 images, 2 labels",
        "5 training images; 3 test images",
    )


@pytest.mark.parametrize(
    ("above", "said"),
    [
        (None, "It is the plain baseline"),
        (Interval(0.05, -0.01, 0.09), "It is not clearly better or worse than"),
        (Interval(-0.05, -0.09, -0.01), "It is worse than"),
    ],
)
def test_never_claims_more_than_the_interval_allows(above, said):
    summary = summarise(dataclasses.replace(STANDING, above=above))
    assert said in summary.text and "It is better than" not in summary.text


def test_promises_nothing_for_other_images_from_a_poor_test():
    targets = np.eye(9, dtype=int)[:6]
    targets[:5, 0] = 1
    caution = describe_caution(targets, "mAP", copies=2)
    assert caution == (
        ", over 6 of 9 labels, 5 of which fewer than 5 test images show; 2 of the 6 "
        "test images are copies of training images"
    )
    summary = summarise(dataclasses.replace(STANDING, caution=caution))
    assert f"is 50.0 of 100{caution}. It is better" in summary.text
    assert "expect" not in summary.text


@pytest.mark.parametrize(
    ("shown", "metric", "caution"),
    [
        ([5, 4], "mAP", ""),
        ([4, 4, 5], "mAP", ", over 3 of 3 labels, 2 of which fewer than 5 images show"),
        ([5, 0], "mAP", ", over 1 of 2 labels"),
        ([1, 0], "accuracy", ""),
    ],
)
def test_a_test_is_poor_where_most_labels_are_shown_rarely(shown, metric, caution):
    targets = (np.arange(8)[:, None] < shown).astype(int)
    assert describe_caution(targets, metric, images="images") == caution


def test_names_what_limits_a_model_and_what_to_do():
    examined = many(0)
    summary = summarise(
        training=np.array([3, 50]),
        reading=ReadingOptions(separator=";", ignore_labels=("a", "b c")),
        errors=find_label_errors(examined.targets, examined.probabilities),
        findings=[
            Finding("error", "Exact copies in several splits", count=2),
            Finding(
                "warning", "Similar images with different labels", "Look.", count=3
            ),
            Finding(
                "warning", "Labels without a test image", header=("label",), count=1
            ),
        ],
    )
    assert list(summary.lists) == ["What to do next", "What limits it"]
    assert summary.lists["What limits it"] == [
        "1 of 2 labels has fewer than 20 training images: cat (3).",
        "The model contradicts 1 label of 1 image, which may be wrong or missing: "
        "see Doubtful labels.",
        "The interval is 20 points wide: 3 test images tell models apart only where "
        "they differ much.",
        "Exact copies in several splits: 2.",
        "Similar images with different labels: 3. Look.",
    ]
    steps = summary.lists["What to do next"]
    assert steps[0].endswith(
        "`kmlic data check 'my photos/labels.csv' --separator ';' --ignore_labels a "
        "'b c' --model 'my run' --report check.html --fixes fixes.csv`"
    )
    assert steps[1] == "Add images of the rarest labels: cat (3)."
    # The run was short, but nothing is kept that a longer one would go on from.
    assert "kmlic demo 'my run'" in steps[2]
    steps = summarise(wishes=["fine-tuning"]).lists["What to do next"]
    assert steps[0].endswith("`--minutes` goes on from here, with fine-tuning.")


def test_names_no_command_that_checks_data_without_files():
    examined = many(0)
    errors = find_label_errors(examined.targets, examined.probabilities)
    steps = summarise(errors=errors).lists["What to do next"]
    assert steps[0] == "Look at the doubtful labels in this report."


def test_counts_the_validation_images_that_a_model_is_fitted_to_as_training_images():
    sizes = {"train": 9, "validation": 1, "test": 1}
    run = dataclasses.replace(TRAIN, data={"name": "x", "sizes": sizes})
    facts = {name: note for name, _, note in summarise(run=run).facts}
    expected = "10 training images, of which 1 is the validation split; 1 test image"
    assert facts["Data"] == expected


def test_says_nothing_of_what_is_not_known():
    standing = Standing("msrn", "mAP", Interval(0.5, np.nan, np.nan))
    summary = summarise(standing, record())
    assert (
        summary.text
        == "The exported model is msrn. Its mAP on 3 test images is 50.0 of 100."
    )
    assert summary.lists["What limits it"] == []
    assert len(summary.lists["What to do next"]) == 2


@pytest.mark.parametrize(
    ("recipe", "name", "title"),
    [
        ("train", "a/photos/labels.csv", "photos"),
        ("train", "labels.csv", "labels.csv"),
        ("train", "street_fashion", "street_fashion"),
        ("train", "a/photos/", "photos"),
        ("msrn", "voc2007", "voc2007: msrn"),
    ],
)
def test_the_title_is_the_name_of_the_data(recipe, name, title):
    assert title_of(record(recipe=recipe, data={"name": name})) == title
