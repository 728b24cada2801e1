import json

import pytest

from kmlic.data import ReadingOptions
from kmlic.data.read_fiftyone import read_fiftyone


def read(tmp_path, content, **options):
    (tmp_path / "samples.json").write_text(json.dumps(content))
    return read_fiftyone(tmp_path / "samples.json", ReadingOptions(**options))


def several(*names):
    return {"classifications": [{"label": name} for name in names]}


def test_the_ground_truth_comes_first_and_a_field_can_be_named(tmp_path):
    sample = {
        "filepath": "data/1.jpg",
        "tags": ["val", "mine"],
        "predictions": several("cat"),
        "ground_truth": several("dog", "sofa"),
    }
    (row,) = read(tmp_path, {"samples": [sample]}).rows
    assert (row.labels, row.split) == (("dog", "sofa"), "validation")
    (row,) = read(tmp_path, [sample], labels_column="predictions").rows
    assert row.labels == ("cat",)
    listing = read(tmp_path, [sample, {**sample, "filepath": "2.jpg", "tags": []}])
    assert {row.split for row in listing.rows} == {""}
    assert {f.title: f.count for f in listing.findings}["Splits that are not used"] == 1


def test_labels_may_be_names_numbers_or_lists_by_image(tmp_path):
    values = {"1": 1, "2": "dog", "3": [0, 1], "4": several("dog"), "5": None}
    listing = read(tmp_path, {"classes": ["cat", "dog"], "labels": values})
    assert [row.labels for row in listing.rows] == [
        ("dog",),
        ("dog",),
        ("cat", "dog"),
        ("dog",),
    ]
    assert listing.findings[0].rows == [["5"]]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ({"x": 1}, 'must hold a list "samples" or an object "labels"'),
        ([{"label": 1}], "row 1: a sample must have a filepath"),
        (
            {"labels": {"1": 7}, "classes": ["a"]},
            "row 1: labels must be classifications",
        ),
        ({"labels": {"1": {"x": 1}}}, "row 1: labels must be classifications"),
    ],
)
def test_names_the_row_that_is_no_sample(tmp_path, content, rule):
    with pytest.raises(ValueError, match=rule):
        read(tmp_path, content)


def test_says_which_of_two_files_is_read(tmp_path):
    sample = {"filepath": "1.jpg", "ground_truth": several("dog")}
    assert not any(f.count for f in read(tmp_path, [sample]).findings)
    (tmp_path / "labels.json").write_text("{}")
    (note,) = [f for f in read(tmp_path, [sample]).findings if f.count]
    assert note.title == "A file labels.json that is not read"
