import dataclasses
import json

import numpy as np
import pytest

from kmlic.data import Boxes, DatasetSpec, from_path
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.tidy_labels import tidy_labels
from kmlic.datasets import load_dataset
from tests.data.files import encode, picture, write_csv


def tidy(*labels, names=None, boxes=None, **options):
    rows = [ImageRow(i, f"{i}.jpg", own) for i, own in enumerate(labels, start=2)]
    if boxes is not None:
        rows[0] = rows[0]._replace(boxes=boxes)
    listing = Listing(rows, "labels.csv", ".", names)
    return tidy_labels(listing, ReadingOptions(**options))


def labels_of(listing):
    return [row.labels for row in listing.rows]


def found(listing):
    return {finding.title: finding for finding in listing.findings}


def test_strips_names_and_writes_characters_in_one_way():
    listing = tidy(
        (" dog", "cafe\u0301"),
        ("dog", "caf\u00e9"),
        names=("dog", " dog", "cafe\u0301"),
    )
    assert labels_of(listing) == [("dog", "caf\u00e9")] * 2
    assert listing.label_names == ("dog", "caf\u00e9") and listing.findings == []


def test_changes_nothing_where_nothing_is_to_change():
    rows = [ImageRow(2, "a.jpg", ("dog",))]
    assert tidy_labels(Listing(rows, "a.csv", "."), ReadingOptions()).rows is rows


def test_renames_by_a_file(tmp_path):
    path = tmp_path / "renames.csv"
    path.write_text("old,new\npuppy,dog\n junk ,\nhorse,pony\n", encoding="utf-8")
    listing = tidy(("puppy", "dog"), ("junk",), ("puppy", "cat"), rename=path)
    assert labels_of(listing) == [("dog",), (), ("dog", "cat")]
    renamed = found(listing)["Renamed labels"]
    assert renamed.rows == [["junk", "left out", "1"], ["puppy", "dog", "2"]]
    absent = found(listing)["Labels to rename that no image has"]
    assert absent.level == "warning" and absent.rows == [["horse"]]


@pytest.mark.parametrize("header", ["", "attribute_id,attribute_name\n"])
def test_two_columns_may_have_no_header_or_another_one(tmp_path, header):
    path = tmp_path / "names.csv"
    path.write_text(f"{header}/m/1,Dog\n/m/2,Cat\n", encoding="utf-8")
    listing = tidy(("/m/1",), ("/m/2", "/m/1"), rename=path)
    assert labels_of(listing) == [("Dog",), ("Cat", "Dog")]


@pytest.mark.parametrize("start", ["sep=,\ndog,hound\n", "dog,hound\n\n"])
def test_the_first_pair_without_a_header_is_never_lost(tmp_path, start):
    path = tmp_path / "names.csv"
    path.write_text(f"{start}cat,kitty\n", encoding="utf-8")
    assert labels_of(tidy(("dog",), ("cat",), rename=path)) == [("hound",), ("kitty",)]
    path.write_text(f"{start}dog,puppy\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"names\.csv line 3: old must be .* 'dog'"):
        tidy(("dog",), rename=path)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a\nx\n", r"renames.csv line 1: must have the columns old and new"),
        ("old,new\nx,y\nx,z\n", r"renames.csv line 3: old must be .* once; got 'x'"),
        ("old,new\n,z\n", r"renames.csv line 2: old must be"),
        ("old,new\n", r"renames.csv must rename at least one label"),
        ("x,y\n", r"no row below its header. Begin it with the line old,new"),
    ],
)
def test_refuses_other_files(tmp_path, text, rule):
    path = tmp_path / "renames.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rule):
        tidy(("x",), rename=path)


def test_merges_into_the_most_frequent_spelling():
    listing = tidy(("dog",), ("DOG", "t-shirt"), ("dog", "T shirt"), merge=True)
    assert labels_of(listing) == [("dog",), ("dog", "t-shirt"), ("dog", "t-shirt")]
    assert found(listing)["Merged labels"].rows == [
        ["DOG", "dog", "1"],
        ["T shirt", "t-shirt", "1"],
    ]
    assert labels_of(tidy(("dog",), ("DOG",))) == [("dog",), ("DOG",)]
    assert labels_of(tidy(("DOG",), ("dog",), merge=True)) == [("dog",), ("dog",)]


def test_leaves_out_labels_by_name_and_number():
    listing = tidy(
        ("dog", "rare"), ("dog", "junk"), ("cat",), ("cat",), (),
        names=("rare", "cat", "junk", "dog"),
        ignore_labels=("junk", "gone"),
        min_positives=2,
    )  # fmt: skip
    assert labels_of(listing) == [("dog",), ("dog",), ("cat",), ("cat",), ()]
    assert listing.label_names == ("cat", "dog")
    assert found(listing)["Ignored labels"].rows == [["junk", "left out", "1"]]
    assert found(listing)["Ignored labels that no image has"].rows == [["gone"]]
    few = found(listing)["Labels on fewer than min_positives=2 images"]
    assert few.rows == [["rare", "left out", "1"]]


def test_counts_an_image_with_two_spellings_of_a_label_present():
    row = ImageRow(2, "a.jpg", ("dog",), ("DOG", "cat", "Cat"))
    listing = tidy_labels(Listing([row], "a.csv", "."), ReadingOptions(merge=True))
    assert listing.rows[0].labels == ("dog",)
    assert listing.rows[0].unknown == ("cat",)


def test_boxes_change_with_their_labels():
    boxes = Boxes(("DOG ", "junk", "dog"), np.arange(12, dtype="f4").reshape(3, 4))
    listing = tidy(
        ("DOG ", "junk", "dog"), ("dog",),
        boxes=boxes, merge=True, ignore_labels=("junk",),
    )  # fmt: skip
    own = listing.rows[0].boxes
    assert own.names == ("dog", "dog")
    assert own.corners.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]


def test_a_run_can_load_the_same_labels_again(tmp_path):
    lines = ["path,labels"]
    names = ("dog", "DOG", "puppy", "junk", "cat|rare", "cat")
    for number in range(30):
        (tmp_path / f"{number}.png").write_bytes(encode(picture(seed=number), "PNG"))
        lines.append(f"{number}.png,{names[number % 6 if number > 5 else 5]}")
    lines[6] = "5.png,cat|rare"
    path = write_csv(tmp_path, [line.replace("|rare", "") for line in lines[:-1]])
    path.write_text(path.read_text() + "29.png,cat|rare\n")
    (tmp_path / "renames.csv").write_text("old,new\npuppy,dog\n")
    reading = ReadingOptions(
        rename=tmp_path / "renames.csv",
        merge=True,
        ignore_labels=("junk",),
        min_positives=2,
    )
    data = from_path(path, reading, image_size=8, batch_size=2)
    assert data.labels.names == ("cat", "dog")
    spec = DatasetSpec(**json.loads(json.dumps(dataclasses.asdict(data.spec))))
    again = load_dataset(
        spec.name,
        data_dir=spec.path,
        seed=spec.seed,
        image_size=8,
        batch_size=2,
        **spec.options,
    )
    assert again.fingerprint == data.fingerprint and again.paths == data.paths
