import copy
import json

import numpy as np
import pytest

from kmlic.data import ReadingOptions, from_coco
from kmlic.data.read_coco import read_coco
from tests.data.files import encode, picture

SIZES = {"image_size": 8, "batch_size": 2}
CONTENT = {
    "images": [{"id": 100 + n, "file_name": f"{n}.jpg"} for n in range(12)],
    "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "traffic light"}],
    "annotations": [
        {"image_id": 100 + n, "category_id": 7, "iscrowd": n % 2} for n in range(6)
    ]
    + [{"image_id": 100, "category_id": 3}] * 2,
}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(12):
        data = encode(picture(seed=number), "JPEG")
        (tmp_path / "images" / f"{number}.jpg").write_bytes(data)
    return write(tmp_path, CONTENT)


def images(path):
    return ReadingOptions(root=str(path.parent / "images"))


def write(folder, content):
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


def test_labels_are_the_categories_by_id_and_images_without_any_stay(path):
    data = from_coco(path, images(path), **SIZES)
    assert data.labels.names == ("traffic light", "dog")
    for split, paths in data.paths.items():
        for name, target in zip(paths, data.targets[split].tolist(), strict=True):
            number = int(name[:-4])
            assert target == [int(number == 0), int(number < 6)]


def test_gives_the_boxes_in_shares_of_the_image(path):
    content = json.loads(json.dumps(CONTENT))
    for image in content["images"]:
        image.update(height=20, width=40)
    for number, mark in enumerate(content["annotations"]):
        mark["bbox"] = [10, number, 20, 5.5]
    path = write(path.parent, content)
    data = from_coco(path, images(path), boxes=True, **SIZES)
    assert not from_coco(path, images(path), **SIZES).boxes
    boxes = {
        name: each
        for split in data.paths
        for name, each in zip(data.paths[split], data.boxes[split], strict=True)
    }
    assert boxes["0.jpg"].names == ("dog", "traffic light", "traffic light")
    expected = [[n / 20, 0.25, (n + 5.5) / 20, 0.75] for n in (0, 6, 7)]
    np.testing.assert_allclose(boxes["0.jpg"].corners, expected)
    assert boxes["3.jpg"].names == ("dog",)
    assert boxes["11.jpg"].names == () and boxes["11.jpg"].corners.shape == (0, 4)


def test_says_which_box_is_none(path):
    with pytest.raises(ValueError, match='1 of "images": height must be of type int'):
        from_coco(path, images(path), boxes=True, **SIZES)
    content = json.loads(json.dumps(CONTENT))
    for image in content["images"]:
        image.update(height=20, width=40)
    for mark in content["annotations"]:
        mark["bbox"] = [1, 2, 3, 4]
    content["annotations"][4]["bbox"] = [1, 2, "3", 4]
    path = write(path.parent, content)
    with pytest.raises(ValueError, match=r"annotation 5: bbox .* got \[1, 2, '3', 4\]"):
        from_coco(path, images(path), boxes=True, **SIZES)


def test_names_missing_images_by_their_number(path):
    (path.parent / "images/0.jpg").unlink()
    with pytest.raises(ValueError, match=r"json row 1: .*0\.jpg must exist"):
        from_coco(path, **SIZES)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda c: c.pop("images"), 'must hold a list "images"'),
        (lambda c: c.update(images=[], annotations=[]), "must list at least one image"),
        (
            lambda c: c["images"][2].pop("id"),
            '3 of "images": id must be of type int or str; got None',
        ),
        (
            lambda c: c["categories"][0].update(name=1),
            'entry 1 of "categories": name must be of type str',
        ),
        (
            lambda c: c["annotations"][0].update(category_id=1),
            "category of annotation 1 must be listed; got 1",
        ),
    ],
)
def test_refuses_what_is_not_cocos_by_entry(path, change, rule):
    content = copy.deepcopy(CONTENT)
    change(content)
    with pytest.raises(ValueError, match=rule) as error:
        from_coco(
            write(path.parent, content),
            images(path),
            **SIZES,
        )
    assert "instances.json" in str(error.value)


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000, b"[]"])
def test_refuses_what_is_not_json(path, text):
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"instances\.json must"):
        from_coco(path, **SIZES)


def test_an_id_belongs_to_one_image_and_one_name(path):
    content = copy.deepcopy(CONTENT)
    content["images"].append({"id": 103, "file_name": "task2/3.jpg"})
    rule = (
        r"entry 13 of \"images\": .* 103 is that of '3\.jpg', entry 4, and of 'task2/3"
    )
    with pytest.raises(ValueError, match=rule):
        read_coco(write(path.parent, content), images(path))
    content = copy.deepcopy(CONTENT)
    name = content["categories"][0]
    content["categories"] += [dict(name), {**name, "name": "owl"}]
    with pytest.raises(
        ValueError, match='of "categories": an id must have one name; got'
    ):
        read_coco(write(path.parent, content), images(path))
    content["categories"].pop()
    assert read_coco(write(path.parent, content), images(path)).rows


def test_annotations_of_other_images_are_left_out_and_counted(path):
    content = copy.deepcopy(CONTENT)
    content["annotations"][0]["image_id"] = 999
    listing = read_coco(write(path.parent, content), images(path))
    assert listing.findings[0].rows == [["1", "999"]]


def test_says_which_boxes_are_no_boxes(path):
    content = copy.deepcopy(CONTENT)
    boxes = ([1, 1, -5, "x"], [1, 1, -5, 2], [1, 2, 3, 4.5], [], None)
    for mark, box in zip(content["annotations"], boxes, strict=False):
        mark["bbox"] = box
    findings = read_coco(write(path.parent, content), images(path)).findings
    found = {finding.title: finding for finding in findings}
    wrong = found["Boxes that are not four numbers"]
    assert (wrong.level, wrong.count) == ("warning", 2)
    assert wrong.rows == [
        ["1", "100", "[1, 1, -5, 'x']"],
        ["2", "101", "[1, 1, -5, 2]"],
    ]


def test_reads_splits_and_groups_that_images_have(path):
    content = copy.deepcopy(CONTENT)
    for number, image in enumerate(content["images"]):
        image |= {"split": "val" if number else "TRAIN", "group": None, "caption": None}
    content["images"][1] |= {"group": 7, "split": "somewhere"}
    first, second, third, *_ = read_coco(write(path.parent, content), images(path)).rows
    assert (first.split, first.group, first.caption) == ("train", "", "")
    assert (second.split, second.group, third.split) == ("somewhere", "7", "validation")
    with pytest.raises(ValueError, match=r"split must be one of .* got 'somewhere'"):
        from_coco(path, images(path), **SIZES)


def test_ids_that_are_texts_are_in_the_order_of_their_numbers(path):
    content = {
        "images": [{"id": "a", "file_name": "1.jpg"}],
        "categories": [
            {"id": i, "name": n} for i, n in (("10", "x"), ("9", "y"), ("b", "z"))
        ],
        "annotations": [{"image_id": "a", "category_id": i} for i in ("9", "10", "b")],
    }
    listing = read_coco(write(path.parent, content), images(path))
    assert list(listing.label_names) == ["y", "x", "z"]


def test_results_of_a_detector_are_refused(path):
    results = [{"image_id": 100, "category_id": 7, "score": 0.5}]
    with pytest.raises(ValueError, match="holds results of a detector"):
        read_coco(write(path.parent, results), images(path))


def test_ids_may_be_numbers_in_one_list_and_texts_in_another(path):
    content = copy.deepcopy(CONTENT)
    for mark in content["annotations"]:
        mark |= {name: str(value) for name, value in mark.items()}
    rows = read_coco(write(path.parent, content), images(path)).rows
    assert rows == read_coco(write(path.parent, CONTENT), images(path)).rows


def test_categories_with_the_same_name_are_one_label_and_said(path):
    content = copy.deepcopy(CONTENT)
    content["categories"].append({"id": 9, "name": "dog"})
    listing = read_coco(write(path.parent, content), images(path))
    found = {finding.title: finding for finding in listing.findings}
    assert found["Categories with the same name"].rows == [["dog", "7, 9"]]
