import pytest

from kmlic.data import ReadingOptions
from kmlic.data.read_tables import read_tables, table_names


def test_splits_are_the_folders_of_all_tables(tmp_path):
    tables = {"train": "filename,dog\n1.jpg,1", "valid": "filename,dog,cat\n1.jpg,0,1"}
    for name, text in tables.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "_classes.csv").write_text(text)
    listing = read_tables(tmp_path, ReadingOptions())
    first, second = listing.rows
    assert (first.path, first.split, first.labels) == ("train/1.jpg", "train", ("dog",))
    assert (second.split, second.labels) == ("validation", ("cat",))
    assert list(listing.label_names) == ["dog", "cat"] and first.unknown == ("cat",)
    assert listing.findings[-1].text == (
        "They are unknown for the images of train/_classes.csv."
    )
    (tmp_path / "metadata.csv").write_text("file_name,dog,cat\n1.jpg,1,1")
    listing = read_tables(tmp_path, ReadingOptions())
    assert {row.split for row in listing.rows} == {""}
    assert listing.findings[0].title == "Splits that are not used"
    assert listing.findings[0].count == 2


def test_folders_of_splits_may_be_below_another(tmp_path):
    for name in ("train", "test"):
        (tmp_path / "data" / name).mkdir(parents=True)
        table = tmp_path / "data" / name / "metadata.jsonl"
        table.write_text('{"file_name": "1.jpg", "labels": ["dog"]}')
    rows = read_tables(tmp_path, ReadingOptions()).rows
    assert {(row.path, row.split) for row in rows} == {
        ("data/train/1.jpg", "train"),
        ("data/test/1.jpg", "test"),
    }


def test_refuses_tables_that_mean_different_things(tmp_path):
    tables = {
        "a": "path,labels\n1.jpg,dog",
        "b": "ImageID,LabelName,Confidence\n1,dog,0",
    }
    for name, text in tables.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.csv").write_text(text)
    with pytest.raises(ValueError, match=r"tables of one kind; in some of a/metadata"):
        read_tables(tmp_path, ReadingOptions())


def test_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"must hold _classes\.csv or metadata"):
        read_tables(tmp_path, ReadingOptions())
    with pytest.raises(ValueError, match="there is no such folder"):
        read_tables(tmp_path / "gone", ReadingOptions())
    assert table_names(["a/b/c/metadata.csv", "a/b/metadata.csv"]) == [
        "a/b/metadata.csv"
    ]
