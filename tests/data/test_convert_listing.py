import csv
import json
import os

import numpy as np
import pytest

from kmlic.data import Boxes
from kmlic.data.convert_listing import convert_listing
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.inspect_rows import inspect_rows
from kmlic.data.read_listing import read_listing, read_with_boxes
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import join
from tests.data.files import encode, picture
from tests.data.test_formats import FORMATS, chexpert, open_images


def write_images(folder, count=12):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number}.jpg"
        path.write_bytes(encode(picture(40, 60, seed=number), "JPEG"))


def facts(listing, *, boxes=False):
    """Returns what a training sees of each row."""
    found = {}
    for row in listing.rows:
        assert not row.problem
        found[row.path] = (
            set(row.labels),
            set(row.unknown),
            set(row.absent),
            row.split,
            row.group,
            row.caption,
            row.boxes is not None if boxes else None,
        )
    return listing.unlisted, found


ROWS = [
    ImageRow(2, "a/0.jpg", ("dog", "sofa"), ("cat",), "train", "a dog, sitting", "g1"),
    ImageRow(3, "a/1.jpg", (), ("dog", "sofa"), "test", "", "g1"),
    ImageRow(4, "a/2.jpg", ("cat",), (), "validation"),
    ImageRow(5, "a/3.jpg", (), (), "train", 'line\nbreak "x"', "g2"),
]


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize(
    "names",
    [
        ("dog", "sofa", "cat"),
        ("tench, Tinca tinca", "a|b", "[x]"),
        ("tie dye", "two; words", "日本"),
    ],
)
def test_reading_the_file_gives_the_same_rows(tmp_path, kind, names):
    write_images(tmp_path / "photos" / "a")
    new = dict(zip(("dog", "sofa", "cat"), names, strict=True))
    rows = [
        row._replace(
            labels=tuple(new[name] for name in row.labels),
            unknown=tuple(new[name] for name in row.unknown),
        )
        for row in ROWS
    ]
    listing = Listing(rows, "x.xml", tmp_path / "photos", names)
    for output in (tmp_path / "photos" / f"b.{kind}", tmp_path / f"out.{kind}"):
        written, left_out = convert_listing(listing, output)
        assert (written, left_out) == (4, [])
        again = read_listing(output)
        assert not [f for f in again.findings if f.level != "note"]
        prefix = "" if output.parent.name == "photos" else "photos/"
        expected = [row._replace(path=prefix + row.path) for row in rows]
        assert facts(again) == facts(listing._replace(rows=expected))


def test_the_csv_is_the_one_that_people_write(tmp_path):
    write_images(tmp_path / "a")
    convert_listing(Listing(ROWS, "x.xml", tmp_path), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "labels", "split", "group", "caption"]
    assert rows[1] == ["a/0.jpg", "dog|sofa|?cat", "train", "g1", "a dog, sitting"]
    rows = [ROWS[2], ROWS[3]]
    for labels, cell in (
        (("tie dye",), '"[""tie dye""]"'),
        (("tie dye", "x"), "tie dye|x"),
    ):
        rows[0] = rows[0]._replace(labels=labels)
        convert_listing(Listing(rows, "x.xml", tmp_path), tmp_path / "out.csv")
        assert f"a/2.jpg,{cell}," in (tmp_path / "out.csv").read_text()


def test_json_keeps_boxes_and_the_order_of_labels(tmp_path):
    write_images(tmp_path / "a")
    corners = np.array([[0.1, 0.2, 0.5, 1.0], [0, 0, 0.25, 0.5]], "f4")
    boxed = Boxes(("sofa", "dog"), corners)
    rows = [ROWS[0]._replace(boxes=boxed, labels=("sofa", "dog"))]
    rows.append(ROWS[2]._replace(labels=(), boxes=Boxes((), np.zeros((0, 4), "f4"))))
    listing = Listing(rows, "x.xml", tmp_path, ("sofa", "owl", "dog", "cat"))
    assert convert_listing(listing, tmp_path / "out.json") == (2, [])
    again = read_with_boxes(tmp_path / "out.json", ReadingOptions())
    assert again.label_names == ["sofa", "owl", "dog", "cat"]
    assert again.rows[0].boxes.names == ("sofa", "dog")
    np.testing.assert_allclose(again.rows[0].boxes.corners, corners, atol=1e-6)
    assert again.rows[1].boxes.names == ()
    image = json.loads((tmp_path / "out.json").read_text())["images"][0]
    assert (image["width"], image["height"]) == (60, 40)
    written, left_out = convert_listing(listing, tmp_path / "out.csv")
    found = {finding.title: finding for finding in left_out}
    assert written == 2 and found["Images whose boxes were left out"].count == 2
    assert found["Labels that no image has, left out"].rows == [["owl"]]


def test_says_which_rows_were_left_out(tmp_path):
    write_images(tmp_path / "a")
    rows = [*ROWS, ImageRow(6, "a/4.jpg", problem="is odd"), ROWS[0]._replace(row=7)]
    rows.append(ImageRow(8, "../x.jpg", ("dog",)))
    written, left_out = convert_listing(
        Listing(rows, "x.xml", tmp_path), tmp_path / "out.csv"
    )
    assert written == 4
    (finding,) = left_out
    assert [row[0] for row in finding.rows] == ["6", "7", "8"]
    assert "is odd" in finding.rows[0][2] and "once" in finding.rows[1][2]


def test_copies_images_and_overwrites_no_folder(tmp_path):
    write_images(tmp_path / "photos" / "a", count=3)
    listing = Listing(ROWS, "x.xml", tmp_path / "photos")
    output, copies = tmp_path / "new" / "out.csv", tmp_path / "new" / "images"
    written, left_out = convert_listing(listing, output, copy_images=copies)
    assert written == 3 and left_out[0].rows[0][1] == "a/3.jpg"
    assert "must exist" in left_out[0].rows[0][2]
    again = read_listing(output)
    assert [row.path for row in again.rows] == [f"images/a/{i}.jpg" for i in range(3)]
    for number in range(3):
        own = (copies / "a" / f"{number}.jpg").read_bytes()
        assert own == (tmp_path / "photos" / "a" / f"{number}.jpg").read_bytes()
    before = output.read_bytes()
    with pytest.raises(ValueError, match="`copy_images` must be a new or empty"):
        convert_listing(listing, output, copy_images=copies)
    (tmp_path / "new.csv").mkdir()
    with pytest.raises(ValueError, match="it is a folder"):
        convert_listing(listing, tmp_path / "new.csv")
    assert output.read_bytes() == before


def test_says_how_to_read_a_file_that_is_not_above_its_images(tmp_path):
    write_images(tmp_path / "photos" / "a")
    output = tmp_path / "elsewhere" / "out.csv"
    _, left_out = convert_listing(Listing(ROWS, "x.xml", tmp_path / "photos"), output)
    assert f"--root {tmp_path / 'photos'}" in left_out[0].text
    again = read_listing(output, ReadingOptions(root=str(tmp_path / "photos")))
    assert facts(again)[1].keys() == {row.path for row in ROWS}


def test_columns_of_what_to_cut_out_are_kept(tmp_path):
    write_images(tmp_path / "a")
    lines = ["path,labels,x1,y1,x2,y2", "a/0.jpg,dog,1,2,30,20", "a/1.jpg,cat,0,0,9,9"]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    convert_listing(read_listing(tmp_path / "in.csv"), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().split() == lines
    semicolons = "\n".join(lines).replace(",", ";").replace("dog", '"\ndog"')
    (tmp_path / "in.csv").write_text(semicolons + "\n")
    convert_listing(read_listing(tmp_path / "in.csv"), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().split() == lines


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_labels_that_nobody_verified_stay_unknown(tmp_path, kind):
    write_images(tmp_path / "a")
    rows = [
        ImageRow(2, "a/0.jpg", ("dog",), absent=("cat", "owl")),
        ImageRow(3, "a/1.jpg", (), absent=("dog",)),
        ImageRow(4, "a/2.jpg"),
    ]
    listing = Listing(rows, "x.csv", tmp_path, unlisted="unknown")
    written, left_out = convert_listing(listing, tmp_path / f"out.{kind}")
    assert written == (2 if kind == "csv" else 3)
    assert [f.count for f in left_out] == ([1] if kind == "csv" else [])
    if kind == "csv":
        lines = (tmp_path / "out.csv").read_text().split()
        assert lines[:3] == [
            "path,LabelName,Confidence",
            "a/0.jpg,dog,1",
            "a/0.jpg,cat,0",
        ]
    else:
        listing_again = read_listing(tmp_path / "out.json")
        assert facts(listing_again) == facts(listing)


def test_refuses_what_it_cannot_write(tmp_path):
    write_images(tmp_path / "a")
    listing = Listing(ROWS, "x.xml", tmp_path)
    with pytest.raises(ValueError, match=r"must end with \.csv or \.json"):
        convert_listing(listing, tmp_path / "out.txt")
    odd = Listing([ROWS[0]._replace(labels=("?dog",))], "x.xml", tmp_path)
    with pytest.raises(ValueError, match=r"must not begin with .* '\?dog'"):
        convert_listing(odd, tmp_path / "out.csv")
    assert convert_listing(odd, tmp_path / "out.json")[0] == 1
    broken = Listing([ImageRow(2, "a/0.jpg", problem="is odd")], "x.xml", tmp_path)
    with pytest.raises(ValueError, match=r"must list a usable image.*is odd"):
        convert_listing(broken, tmp_path / "out.csv")
    (tmp_path / "in.csv").write_text("path,labels\na/0.jpg,dog\n")
    with pytest.raises(ValueError, match="must not be a file that is read"):
        convert_listing(read_listing(tmp_path / "in.csv"), tmp_path / "in.csv")


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("name", [*FORMATS, "Open Images", "CheXpert"])
def test_every_format_gives_the_same_rows(tmp_path, name, kind):
    others = {"Open Images": open_images, "CheXpert": chexpert}
    write = others[name] if name in others else FORMATS[name][0]
    written = write(tmp_path)
    path, options = written if isinstance(written, tuple) else (written, {})
    listing = read_with_boxes(path, ReadingOptions(**options))
    output = tmp_path / f"converted.{kind}"
    convert_listing(listing, output)
    rows = inspect_rows(listing)
    again = inspect_rows(read_listing(output))
    assert not again.skipped and len(again.images) == len(rows.images)
    order = {join(again.listing.root, r.path): i for i, r in enumerate(again.images)}
    same = [order[join(listing.root, row.path)] for row in rows.images]
    assert [again.images[i].split for i in same] == [r.split for r in rows.images]
    assert [again.images[i].group for i in same] == [r.group for r in rows.images]
    labels = [rows.names.index(name) for name in again.names]
    assert not np.delete(rows.dense_targets() == 1, labels, axis=1).any()
    np.testing.assert_array_equal(
        again.dense_targets()[same], rows.dense_targets()[:, labels]
    )


def test_rows_that_are_lost_and_images_that_are_missing_are_errors(tmp_path):
    write_images(tmp_path, 1)
    rows = [ImageRow(2, "0.jpg", ("dog",)), ImageRow(3, "gone.jpg", ("dog",))]
    lost = [*rows, ImageRow(4, "2.jpg", problem="it is wrong")]
    output = tmp_path / "out.csv"
    _, found = convert_listing(Listing(lost, "a.csv", tmp_path), output)
    assert {finding.title: finding.level for finding in found} == {
        "Images that do not exist": "warning",
        "Rows that were left out": "error",
    }
    _, (missing,) = convert_listing(Listing(rows[1:], "a.csv", tmp_path), output)
    assert (missing.level, missing.count) == ("error", 1)
    assert "--root" in missing.text


def test_leaves_out_and_names_files_that_are_not_utf8(tmp_path):
    names = (b"cat/0.jpg", b"dog/1.jpg", b"dog/caf\xe9.jpg")
    for seed, name in enumerate(names):
        path = tmp_path / "photos" / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(picture(seed=seed), "JPEG"))
    for suffix in (".csv", ".json"):
        output = tmp_path / f"labels{suffix}"
        count, (finding,) = convert_listing(read_listing(tmp_path / "photos"), output)
        assert count == 2 and finding.title == "Rows that were left out"
        assert finding.rows[0][2] == "its name and labels must be UTF-8 to be written"
        assert [row.path for row in read_listing(output).rows] == [
            "photos/cat/0.jpg",
            "photos/dog/1.jpg",
        ]
