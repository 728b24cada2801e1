import pytest
import tensorflow_datasets as tfds

from kmlic.datasets import Deepfashion, read_deepfashion_groups, read_deepfashion_rows
from kmlic.datasets.deepfashion import ATTRIBUTE_GROUPS, check_deepfashion_images
from tests.datasets.deepfashion_files import change_line, write_challenge, write_lines


@pytest.fixture
def folder(tmp_path):
    return write_challenge(tmp_path / "challenge", train=4, val=2, test=1)


def test_reads_what_the_challenge_lists(folder):
    assert read_deepfashion_groups(folder) == ATTRIBUTE_GROUPS
    rows = read_deepfashion_rows(folder, "train")
    assert len(rows) == 4
    assert rows[3].path == "img/00003.jpg"
    assert rows[3].box == (5, 2, 25, 38)
    assert rows[3].classes == (3, 0, 0, 3, 3, 0)
    (row,) = read_deepfashion_rows(folder, "test", with_classes=False)
    assert row.classes == ()


def test_the_tfds_builder_holds_the_same(folder, tmp_path):
    builder = Deepfashion(data_dir=tmp_path / "tfds")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=folder)
    )
    assert "non-commercial" in builder.info.description
    examples = list(builder.as_dataset(split="train").as_numpy_iterator())
    rows = {row.path: row for row in read_deepfashion_rows(folder, "train")}
    assert {example["path"].decode() for example in examples} == set(rows)
    for example in examples:
        row = rows[example["path"].decode()]
        assert tuple(example["box"]) == row.box
        assert tuple(example["attributes"][g] for g in ATTRIBUTE_GROUPS) == row.classes
        assert example["image"].shape == (40, 30, 3)
    assert builder.info.splits["validation"].num_examples == 2


def test_an_unknown_class_is_minus_one(folder):
    change_line(folder / "split/train_attr.txt", 2, "1 -1 0 0 0 -1")
    assert read_deepfashion_rows(folder, "train")[1].classes == (1, -1, 0, 0, 0, -1)


@pytest.mark.parametrize(
    ("file", "number", "text", "message"),
    [
        ("train_attr.txt", 2, "1 1 1 1", r"line 2: must have one class per group, 6 "),
        ("train_attr.txt", 3, "0 0 0 0 6 0", r"line 3: the class of 'fabric' must be "),
        ("train_attr.txt", 3, "0 0 x 0 0 0", r"line 3: .* got '0 0 x 0 0 0'"),
        ("train_bbox.txt", 1, "1 2 3", r"line 1: must be x1 y1 x2 y2, 4 columns"),
        ("train_bbox.txt", 4, "9 2 9 30", r"line 4: the box must have x1 < x2"),
        ("train.txt", 2, "../secret.jpg", r"line 2: must be the path of an image"),
        ("train.txt", 3, "img/00001.jpg", r"line 3: .* is listed in line 2 already"),
        ("list_attr_cloth.txt", 5, "striped", r"line 5: must be an attribute and"),
        ("list_attr_cloth.txt", 5, "striped 4 9", r"line 5: must be an attribute"),
        ("list_attr_cloth.txt", 4, "floral 1", r"line 4: .* 'floral' is listed twice"),
        ("list_attr_cloth.txt", 1, "25", r"line 1: must count .* got '25' for 26"),
    ],
)
def test_names_the_file_and_the_line_that_is_wrong(folder, file, number, text, message):
    change_line(folder / "split" / file, number, text)
    with pytest.raises(ValueError, match=rf"{file} {message}"):
        read_deepfashion_rows(folder, "train")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (["a 1", "b 1", "c 2"], r"line 5: a group must have at least two .* \['c'\]"),
        (["a 1", "b 1", "c 3", "d 3"], r"line 6: .* group 2 is empty"),
        ([], "line 1: must count"),
    ],
)
def test_names_a_group_with_one_attribute_and_an_empty_one(folder, attributes, message):
    lines = [str(len(attributes)), "name type", *attributes]
    write_lines(folder / "split/list_attr_cloth.txt", lines)
    with pytest.raises(ValueError, match=rf"list_attr_cloth.txt {message}"):
        read_deepfashion_groups(folder)


def test_lists_of_different_lengths_are_refused(folder):
    write_lines(folder / "split/train_attr.txt", ["0 0 0 0 0 0"] * 3)
    message = (
        r"train_attr.txt must have .*it ends with line 3 and the other with line 4"
    )
    with pytest.raises(ValueError, match=message):
        read_deepfashion_rows(folder, "train")


def test_all_wrong_lines_come_in_one_error(folder):
    write_lines(folder / "split/train_attr.txt", ["7 0 0 0 0 0"] * 4)
    with pytest.raises(ValueError, match=r"4 lines are not\.\n.*line 1: .*\n.*line 2"):
        read_deepfashion_rows(folder, "train")


def test_a_missing_file_says_what_the_folder_must_hold(tmp_path):
    with pytest.raises(ValueError, match=r"train.txt must exist.*img/ and split/"):
        read_deepfashion_rows(tmp_path, "train")


def test_images_are_held_against_their_boxes(folder):
    change_line(folder / "split/train_bbox.txt", 2, "5 2 31 38")
    (folder / "img/00003.jpg").unlink()
    rows = read_deepfashion_rows(folder, "train")
    with pytest.raises(ValueError, match=r"line 2: .* 30 x 40 .*31") as error:
        check_deepfashion_images(folder, "train", rows)
    assert "train.txt line 4" in str(error.value)
