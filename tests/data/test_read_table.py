import pytest

from kmlic.data import ReadingOptions
from kmlic.data.read_table import read_table


def read(tmp_path, *rows, **options):
    numbered = enumerate(rows, start=1)
    return read_table("a.csv", tmp_path, numbered, ReadingOptions(**options))


def test_an_image_in_several_rows_has_all_their_labels(tmp_path):
    listing = read(
        tmp_path,
        ("path", "labels", "split", "caption", "group"),
        ("1.jpg", "dog", "train", "a dog", "anna"),
        ("2.jpg", "", "val", "", ""),
        ("1.jpg", "cat", "", "", ""),
    )
    first, second = listing.rows
    assert (first.row, first.labels, first.split) == (2, ("dog", "cat"), "train")
    assert (first.caption, first.group) == ("a dog", "anna")
    assert (second.split, second.labels) == ("validation", ())
    (note,) = listing.findings
    assert (note.title, note.count) == ("Images in several rows", 1)
    assert note.rows == [["1.jpg", "2, 4"]]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (("1.jpg", "dog", "part"), "split must be one of train, .* got 'part'"),
        (("1.jpg",), r"a row must have 3 cells \[path, labels, split\]; got 1"),
        (("1.jpg", "a", "test", "b"), "got 4. Put quotes around"),
        (("1.jpg", "dog|?dog", ""), "must be present or unknown"),
    ],
)
def test_a_row_that_breaks_a_rule_is_kept_with_it(tmp_path, row, rule):
    listing = read(tmp_path, ("path", "labels", "split"), ("2.jpg", "cat|dog", ""), row)
    assert listing.rows[0].problem == ""
    with pytest.raises(ValueError, match=rule):
        raise ValueError(listing.rows[1].problem)


def test_an_image_cannot_be_in_two_splits(tmp_path):
    header = ("path", "labels", "split")
    rows = ("1.jpg", "dog", "train"), ("1.jpg", "cat", "test")
    (row,) = read(tmp_path, header, *rows).rows
    assert row.problem == "an image must be in one split; got train and test"


def test_is_valid_is_true_or_false(tmp_path):
    header = ("fname", "labels", "is_valid")
    rows = ("1.jpg", "dog", "True"), ("2.jpg", "cat", False), ("3.jpg", "", "x")
    first, second, third = read(tmp_path, header, *rows).rows
    assert (first.split, second.split) == ("validation", "train")
    assert third.problem == "is_valid must be True or False; got 'x'"


def test_rows_without_a_path_are_not_joined(tmp_path):
    listing = read(tmp_path, ("path", "labels"), ("", "dog"), ("", "cat"))
    assert len(listing.rows) == 2


def test_a_table_may_have_no_header(tmp_path):
    listing = read(
        tmp_path,
        ("TRAINING", "gs://b/1.jpg", "dog", "sofa"),
        ("UNASSIGNED", "gs://b/2.jpg"),
    )
    first, second = listing.rows
    assert (first.row, first.labels, first.split) == (1, ("dog", "sofa"), "train")
    assert (second.labels, second.split) == ((), "")
    (row,) = read(tmp_path, ("1.jpg", "dog|cat")).rows
    assert row.labels == ("dog", "cat")


def test_spellings_of_one_path_are_one_image(tmp_path):
    (tmp_path / "2.jpg").touch()
    rows = (
        ("1.jpg", "dog", "train"),
        ("./1.jpg", "cat", ""),
        ("2", "dog", ""),
        ("2.jpg", "?cat", "val"),
        (f"{tmp_path}/2.jpg", "owl", "test"),
    )
    listing = read(tmp_path, ("path", "labels", "split"), *rows)
    first, second = listing.rows
    assert (first.path, first.labels, first.split) == ("1.jpg", ("dog", "cat"), "train")
    assert (second.row, second.labels, second.unknown) == (4, ("dog", "owl"), ("cat",))
    assert second.problem == "an image must be in one split; got validation and test"
    again = next(f for f in listing.findings if f.title == "Images in several rows")
    assert again.rows == [["1.jpg", "2, 3"], ["2", "4, 5, 6"]]


def test_spellings_of_one_path_join_columns_of_one_label(tmp_path):
    header = ("path", "dog", "cat")
    rows = ("1.jpg", "1", "0"), ("./1.jpg", "0", "1"), ("2.jpg", "0", "-1")
    first, second = read(tmp_path, header, *rows).rows
    assert first.labels == ("dog", "cat") and second.unknown == ("cat",)


def test_commas_without_quotes_are_an_error(tmp_path):
    header = ("path", "labels")
    listing = read(tmp_path, header, ("1.jpg", "dog", "cat"), ("2.jpg", "dog", ""))
    (error,) = listing.findings
    assert (error.level, error.rows) == ("error", [["2", "1.jpg"]])
    assert "quotes" in error.text and listing.rows[1].problem == ""


@pytest.mark.parametrize(
    ("words", "level"),
    [
        (("0", "1", "fold3"), "error"),
        (("0", "1", ""), "error"),
        (("train", "0", "val"), None),
    ],
)
def test_splits_that_are_mostly_other_words_are_an_error(tmp_path, words, level):
    rows = [(f"{i}.jpg", "dog", word) for i, word in enumerate(words)]
    listing = read(tmp_path, ("path", "labels", "split"), *rows)
    assert [finding.level for finding in listing.findings] == [level] * bool(level)
    if level:
        assert listing.findings[0].rows[0] == ["2", words[0]]
    else:
        assert listing.rows[1].problem.endswith("got '0'")
