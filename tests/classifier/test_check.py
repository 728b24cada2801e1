import json
import shutil
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import ImageEnhance

from kmlic.classifier.check import check
from kmlic.classifier.classifier_settings import ClassifierSettings
from kmlic.classifier.read_groups import read_groups
from kmlic.data.finding import Finding
from kmlic.data.read_listing import read_listing
from kmlic.data.reading_options import ReadingOptions
from tests.classifier.photos import write_photos
from tests.data.files import picture, write_dataset
from tests.toys import toy_data


def test_reads_every_kind_of_data_alike(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = write_photos(tmp_path / "photos", 12)
    first = check(table, tmp_path / "a").images
    folder = check(table.parent, tmp_path / "b").images
    frame = check(
        pandas.read_csv(table),
        tmp_path / "c",
        reading=ReadingOptions(root=str(table.parent)),
    ).images
    for images in (folder, frame):
        assert images.labels.names == first.labels.names
        np.testing.assert_array_equal(images.targets, first.targets)
        assert images.paths == first.paths


def test_stores_the_images_of_a_dataset(tmp_path):
    data = toy_data()
    images = check(data, tmp_path).images
    assert images.image_size == 8
    assert images.split.tolist() == [0] * 40 + [1] * 40 + [2] * 40
    rows = np.array([0, 41, 119])
    pixels, targets = next(iter(images.batches(rows, image_size=8, batch_size=3)))
    (expected, _) = next(iter(data.train_in_order))
    assert np.abs(pixels[0] - expected[0]).max() <= 0.5
    np.testing.assert_array_equal(targets, images.targets[rows])
    assert check(data, tmp_path).images.fingerprint == images.fingerprint


def test_a_fifth_of_enough_images_is_for_the_test(tmp_path):
    many = check(write_photos(tmp_path / "many", 60), tmp_path).images
    assert 10 <= len(many.test_rows) <= 14
    few = check(write_photos(tmp_path / "few", 20), tmp_path).images
    assert not len(few.test_rows)


def test_finds_one_group_where_every_image_has_one_label(tmp_path):
    table = write_photos(tmp_path / "photos", 12, one_each=True)
    labels = check(table, tmp_path).images.labels
    assert labels.exclusive
    assert labels.groups == {"label": ("blue", "green", "red")}


def test_groups_order_the_labels_and_are_checked(tmp_path):
    table = write_photos(tmp_path / "photos", 12, one_each=True)
    groups = tmp_path / "groups.json"
    groups.write_text(json.dumps({"colour": ["red", "green", "blue"]}))
    images = check(table, tmp_path, groups=read_groups(groups)).images
    assert images.labels.names == ("red", "green", "blue")
    several = write_photos(tmp_path / "several", 12)
    with pytest.raises(ValueError, match="an image has exactly one"):
        check(several, tmp_path, groups=read_groups(groups))
    groups.write_text(json.dumps({"colour": ["red", "green", "blue", "black"]}))
    findings = check(table, tmp_path, groups=read_groups(groups)).findings
    (unused,) = [f for f in findings if f.title.startswith("Labels of the groups")]
    assert unused.rows == [["colour", "black"]]
    groups.write_text(json.dumps({"colour": ["red", "gren", "blue"]}))
    with pytest.raises(
        ValueError, match=r"green is in none of colour\. No image has .* labels gren\."
    ):
        check(table, tmp_path, groups=read_groups(groups))
    groups.write_text("[1]")
    with pytest.raises(ValueError, match="must be JSON of group names"):
        read_groups(groups)


def test_cuts_boxes_out(tmp_path):
    plain = write_photos(tmp_path / "photos", 8)
    whole = check(plain, tmp_path).images
    boxed = write_photos(
        tmp_path / "photos",
        8,
        header="path,labels,x1,y1,x2,y2",
        extra=lambda _: (8, 16, 32, 60),
    )
    images = check(boxed, tmp_path).images
    assert images.side == 24
    rows = np.arange(1)
    (own, _) = next(iter(images.batches(rows, image_size=24, batch_size=1)))
    (all_of_it, _) = next(iter(whole.batches(rows, image_size=48, batch_size=1)))
    # The box ends where the image ends: 32 rows of 24 columns.
    np.testing.assert_allclose(own[0, 0, :, :].numpy().mean(), 120, atol=30)
    expected = all_of_it[0, 16:48, 8:32].numpy().mean()
    assert own.numpy().mean() == pytest.approx(expected, abs=1.0)


@pytest.mark.parametrize("mark", [";", "\t"])
def test_cuts_boxes_of_any_table_out(tmp_path, mark):
    table = write_photos(
        tmp_path / "photos",
        8,
        header="path,labels,x1,y1,x2,y2",
        extra=lambda _: (8, 16, 32, 60),
    )
    text = table.read_text()
    assert '"' not in text
    table.write_text(text.replace(",", mark))
    assert check(table, tmp_path).images.side == 24


def test_an_image_with_a_box_needs_no_complete_path(tmp_path):
    table = write_photos(
        tmp_path / "photos",
        8,
        header="path,labels,x1,y1,x2,y2",
        extra=lambda _: (8, 16, 32, 60),
    )
    table.write_text(table.read_text().replace(".jpg", "").replace(".png", ""))
    assert check(table, tmp_path / "run").images.side == 24


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (
            "8,16,40,60",
            r"row 3, .*: an image must have one box; got \(8, 16, 32, 60\) and",
        ),
        (",,,", "row 3: every image must have a box, or none"),
        ("8,16,8,60", r"row 3, .*: a box must be integer pixels with x1 < x2"),
    ],
)
def test_boxes_that_are_not_one_for_each_image_are_refused(tmp_path, row, error):
    table = write_photos(
        tmp_path / "photos",
        8,
        header="path,labels,x1,y1,x2,y2",
        extra=lambda _: (8, 16, 32, 60),
    )
    lines = table.read_text().splitlines()
    other = lines[2].replace("8,16,32,60", row)
    lines[2:3] = [lines[2], other] if "one box" in error else [other]
    table.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=error):
        check(table, tmp_path / "run")


def test_fractions_say_how_images_are_split(tmp_path):
    table = write_photos(tmp_path / "photos", 40)
    split = check(table, tmp_path).images.split
    assert not split.any()  # of few images none are kept for the test
    settings = ClassifierSettings(fractions=(0.5, 0, 0.5))
    split = check(table, tmp_path, settings).images.split
    assert np.bincount(split).tolist() == [20, 0, 20]


def test_says_how_the_files_were_read(tmp_path):
    table = write_photos(tmp_path / "photos", 20)
    checked = check(table, tmp_path)
    assert checked.summary.startswith("a table: images in the column path")


def test_test_images_are_checked_for_copies(tmp_path):
    table = write_photos(tmp_path / "photos", 20)
    test = write_photos(tmp_path / "test", 40)
    checked = check(table, tmp_path, test=test)
    assert len(checked.images.test_rows) == 40
    assert len(checked.images.copied_test_rows) == 20
    titles = [finding.title for finding in checked.findings]
    assert "Exact copies in several splits" in titles


def test_a_test_of_copies_of_training_images_is_refused(tmp_path):
    table = write_photos(tmp_path / "photos", 20)
    test = write_photos(tmp_path / "test", 39)
    with pytest.raises(ValueError, match=r"test/labels.csv must .*; 20 of the 39 are"):
        check(table, tmp_path, test=test)


@pytest.mark.parametrize("copies", [10, 11])
def test_half_of_the_test_images_that_data_names_may_be_copies(tmp_path, copies):
    table = write_photos(
        tmp_path,
        40,
        header="path,labels,split",
        extra=lambda number: ["train" if number < 20 else "test"],
    )
    for number in range(copies):
        shutil.copy(tmp_path / f"{number:03}.png", tmp_path / f"{number + 20:03}.png")
    if copies > 10:
        with pytest.raises(
            ValueError, match=r"11 of the 20 are. Remove .* split train"
        ):
            check(table, tmp_path)
    else:
        rows = check(table, tmp_path).images.copied_test_rows
        assert rows.tolist() == list(range(20, 30))


@pytest.mark.parametrize("count", [20, 60])
@pytest.mark.parametrize(
    ("group", "reason"),
    [
        (None, "All training images are copies of one image"),
        ("a", "All images but the test's are of one group"),
    ],
)
def test_images_that_cannot_be_divided_are_refused_as_the_check_refuses_them(
    tmp_path, count, group, reason
):
    header = "path,labels,group"
    table = write_photos(tmp_path, count, header=header, extra=lambda _: [group or ""])
    for number in range(1, count if group is None else 0):
        shutil.copy(tmp_path / "000.png", tmp_path / f"{number:03}.png")
    with pytest.raises(ValueError, match=rf"{reason}: {count}\. .* Add .*images"):
        check(table, tmp_path)


def test_names_a_dataframe_in_what_is_wrong_with_it(tmp_path):
    frame = pytest.importorskip("pandas").DataFrame({"labels": ["a"]})
    empty = frame.assign(path="a.png")[:0]
    for data, rule in (
        (frame, ".*a column must name the images"),
        (empty, " must lis"),
    ):
        with pytest.raises(ValueError, match=rf"^the DataFrame{rule}"):
            check(data, tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_part_of_the_same_image_is_no_copy(tmp_path):
    images = []
    for name, left in (("train", 0), ("test", 2)):
        table = write_photos(
            tmp_path / name,
            20,
            header="path,labels,x1,y1,x2,y2",
            extra=lambda number, left=left: (left, 0, 40, 40),
        )
        images.append(table)
    checked = check(images[0], tmp_path, test=images[1])
    assert not len(checked.images.copied_test_rows)


@pytest.mark.parametrize("separate", [False, True])
def test_finds_images_that_look_alike_with_thumbnails(tmp_path, separate):
    split = {"header": "path,labels,split", "extra": lambda number: ["train"]}
    table = write_photos(tmp_path / "photos", 20, **({} if separate else split))
    test = write_photos(tmp_path / "test", 4)
    image = picture(90, 120, cells=12)
    for file, factor in (("photos/000", 1), ("photos/copy", 1.05), ("test/000", 1.05)):
        brighter = ImageEnhance.Brightness(image).enhance(factor)
        brighter.save(tmp_path / f"{file}.png")
    lines = table.read_text().splitlines()
    lines[1] = "000.png,green"
    if not separate:
        lines[1] += ",train"
        lines.append("copy.png,red|blue,test")
    table.write_text("\n".join(lines))
    test.write_text("path,labels\n000.png,red|blue\n001.png,green\n")
    checked = check(table, tmp_path / "run", test=test if separate else None)
    found = {finding.title: finding for finding in checked.findings}
    for title in (
        "Similar images in several splits",
        "Similar images with different labels",
    ):
        assert found[title].level == "warning" and found[title].count == 1
        (gallery,) = checked.galleries[title]
        captions = [picture.caption.split("\n")[0] for picture in gallery.pictures]
        assert captions == ["train", "test"]
        assert gallery.pictures[0].image[:2] == b"\xff\xd8"  # a JPEG


def test_test_images_have_no_labels_of_their_own(tmp_path):
    table = write_photos(tmp_path / "photos", 20)
    test = write_photos(tmp_path / "test", 12, seed=100)
    test.write_text(test.read_text().replace("blue", "navy"))
    with pytest.raises(
        ValueError, match=r"test/labels.csv must have labels of .*photos.*; navy is not"
    ):
        check(table, tmp_path, test=test)
    settings = ClassifierSettings(on_error="skip")
    checked = check(table, tmp_path, settings, test=test)
    assert 0 < len(checked.images.test_rows) < 12
    assert checked.skipped == 12 - len(checked.images.test_rows)


def test_names_the_table_of_what_is_wrong_with_the_test(tmp_path):
    table = write_photos(tmp_path / "photos", 20)
    test = write_photos(
        tmp_path / "test",
        12,
        header="path,labels,split",
        extra=lambda _: ("test",),
        seed=100,
    )
    (test.parent / "005.png").write_bytes(b"no image")
    listing = read_listing(test)
    found = Finding("warning", "Odd", count=3)
    module = sys.modules["kmlic.classifier.check"]
    listed = {table: read_listing(table), test: listing._replace(findings=[found])}
    settings = ClassifierSettings(on_error="skip")
    with mock.patch.object(module, "read_listing", lambda path, _: listed[Path(path)]):
        checked = check(table, tmp_path, settings, test=test)
    rows = {each.title: each.rows for each in checked.findings}
    ((row, path, reason),) = rows["Unusable rows"]
    assert (row, path) == ("7", "005.png") and reason.startswith("in the test data: ")
    assert "Odd, in the test data" in rows


@pytest.mark.parametrize("given", ["test", "dataset"])
def test_fractions_are_refused_where_they_would_be_ignored(tmp_path, given):
    table = write_photos(tmp_path / "photos", 20)
    settings = ClassifierSettings(fractions=(0.5, 0.2, 0.3))
    data, test = (table, table) if given == "test" else ("street_fashion/tiny", None)
    with pytest.raises(
        ValueError, match=r"`fractions` must be None .*fractions=\(0.5, 0.2, 0.3\)"
    ):
        check(data, tmp_path, settings, test=test)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("gone.csv", "must be a file or folder"),
        ("no_such_dataset", r"no such file or folder, and the datasets are street_fas"),
        (3, "must be a path, the name of a dataset"),
    ],
)
def test_says_what_is_not_data(tmp_path, data, message):
    with pytest.raises(ValueError, match=message):
        check(data, tmp_path)


def test_does_not_miss_test_images_that_few_images_do_not_have(tmp_path):
    checked = check(write_photos(tmp_path / "photos", 20), tmp_path)
    assert not [f for f in checked.findings if "validation or test" in f.title]


def test_limits_images_as_asked(tmp_path):
    path = write_dataset(tmp_path, 60)
    with pytest.raises(ValueError, match=r"max_pixels=700 pixels; it has 704"):
        check(path, tmp_path / "s", ClassifierSettings(max_pixels=700))
    kept = ClassifierSettings(max_pixels=700, on_error="skip")
    checked = check(path, tmp_path / "s", kept)
    assert checked.skipped == 36
    assert checked.images.pixels.limits == kept.limits


def test_stops_on_names_that_would_be_learned_wrong(tmp_path):
    path = write_dataset(tmp_path, 60, names=["dog", "cat", "DOG"])
    with pytest.raises(ValueError, match=r"must be corrected first\. .* \(--merge\)"):
        check(path, tmp_path / "s")
    checked = check(path, tmp_path / "s", reading=ReadingOptions(merge=True))
    assert checked.images.labels.names == ("cat", "dog")
