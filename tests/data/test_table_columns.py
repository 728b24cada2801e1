import pytest

from kmlic.data import ReadingOptions
from kmlic.data.table_columns import choose_columns, headerless_columns


def choose(header, *rows, **options):
    numbered = list(enumerate(rows, start=2))
    return choose_columns("a.csv", header, numbered, ReadingOptions(**options))


@pytest.mark.parametrize(
    ("header", "path", "labels"),
    [
        (["labels", "path"], 1, 0),
        (["id", "Image Index", "Finding Labels"], 1, 2),
        (["ImageID", "Source", "LabelName", "Confidence"], 0, 2),
        (["id", "image", "choice", "annotator"], 1, 2),
        (["fname", "labels", "is_valid"], 0, 1),
        (["id", "attribute_ids"], 0, 1),
    ],
)
def test_tells_columns_by_their_names(header, path, labels):
    columns = choose(header, ["x"] * len(header))
    assert (columns.path, columns.labels, columns.marks) == (path, labels, ())


def test_tells_the_images_by_their_cells(tmp_path):
    columns = choose(["who", "what", "tags"], ["me", "a/1.jpg", "dog"])
    assert (columns.path, columns.labels) == (1, 2)


def test_columns_of_one_label_are_all_others_but_an_index():
    header = ["", "Unnamed: 0", "filename", "tag", "dog", "split", "x1"]
    row = ["0", "0", "1.jpg", "1", "0", "train", "3"]
    columns = choose(header, row)
    assert columns.labels is None and columns.marks == (3, 4)
    assert columns.split == 5 and columns.path == 2
    assert [cells[0] for cells in columns.findings[0].rows] == ["", "Unnamed: 0"]


def test_a_group_of_marks_only_may_be_a_label():
    rows = ["1.jpg", "0", "1"], ["2.jpg", "1", "0"]
    columns = choose(["path", "dog", "group"], *rows)
    assert columns.group is None and columns.marks == (1, 2)
    assert columns.findings[0].level == "warning"
    columns = choose(["path", "dog", "group"], *rows, group_column="group")
    assert columns.group == 2 and columns.marks == (1,)
    columns = choose(["path", "dog", "group"], ["1.jpg", "0", "anna"])
    assert columns.group == 2 and columns.marks == (1,)


@pytest.mark.parametrize(
    ("header", "options", "rule"),
    [
        (["a", "b"], {}, r"row 1: a column must name the images, .* are \[a, b\]"),
        (["path", "a", "a"], {}, "a column must be named once"),
        (
            ["path", "tags"],
            {"labels_column": "tag"},
            "'tag'; did you mean 'tags'",
        ),
        (
            ["path", "tags"],
            {"path_column": "zzz"},
            r"'zzz'\. The columns are",
        ),
        (["path"], {"labels_column": "path"}, "must be in two columns"),
    ],
)
def test_says_which_column_is_missing(header, options, rule):
    with pytest.raises(ValueError, match=rule):
        choose(header, ["x"] * len(header), **options)


def test_a_row_without_a_header_has_labels_behind_its_image():
    columns = headerless_columns(["TRAINING", "gs://b/1.jpg", "dog", "cat"])
    assert (columns.split, columns.path, columns.labels) == (0, 1, slice(2, None))
