import json

import pytest

from kmlic.data.find_layout import find_layout
from tests.data.files import encode, picture


@pytest.mark.parametrize(
    ("name", "text", "layout"),
    [
        ("a.csv", "path,labels", "csv"),
        ("a.txt", "path\tlabels", "csv"),
        ("a.JSON", '{"info": {}, "annotations": [', "coco"),
        ("a.json", '{"samples": []}', "fiftyone"),
        ("a.json", '{"classes": ["a"], "labels": {"1": 0}}', "fiftyone"),
        ("a.json", '[{"data": {"image": "1.jpg"}, "annotations": []}]', "label_studio"),
        (
            "a.json",
            '[{"image": "1.jpg", "choice": {"choices": ["a"]}}]',
            "label_studio",
        ),
        ("a.json", '[{"filepath": "1.jpg"}]', "fiftyone"),
        ("a.json", '[{"file_name": "1.jpg", "labels": []}]', "json_lines"),
        ("a.json", '{"path": "1.jpg"}\n{"path": "2.jpg"}\n', "json_lines"),
        ("a.jsonl", '{"path": "1.jpg"}', "json_lines"),
        ("a.xml", "<annotations>", "cvat"),
        ("a.json", "", "coco"),
    ],
)
def test_tells_a_file_by_its_content(tmp_path, name, text, layout):
    (tmp_path / name).write_text(text)
    assert find_layout(tmp_path / name).layout == layout


def draw(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(picture(), "PNG") if path.suffix == ".png" else b"dog")


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["1.png", "2.png", "2.txt", "3.png", "3.txt"], "tags"),
        (["1.png", "2.png", "3.png", "3.txt"], "tags"),
        (["a/1.png", "b/1.png", "notes.txt", "a.csv"], "folders"),
        (["a/1.png", "a.csv", "b.csv"], "folders"),
        (["1.png", "2.png", "2.xml", "3.png", "3.xml"], "voc"),
        (["images/1.png", "Annotations/1.xml"], "voc"),
        (["train/1.png", "train/_classes.csv"], "tables"),
        ([".a/1.png", ".a/1.txt", "b/2.png"], "folders"),
    ],
)
def test_tells_a_folder_by_all_its_files(tmp_path, names, layout):
    draw(tmp_path, *names)
    found = find_layout(tmp_path)
    assert (found.layout, found.path) == (layout, tmp_path)


def test_a_file_of_the_usual_name_stands_for_its_folder(tmp_path):
    draw(tmp_path, "a/1.png")
    content = {"images": [], "categories": [], "annotations": []}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    found = find_layout(tmp_path)
    assert found.layout == "coco" and found.path == str(tmp_path / "labels.json")


def test_the_only_table_beside_one_folder_of_images_stands_for_both(tmp_path):
    draw(tmp_path, "images/1.png", "images/2.png")
    (tmp_path / "comma.csv").write_text("path,labels\nimages/1.png,dog\n")
    found = find_layout(tmp_path)
    assert found.layout == "csv" and found.path == str(tmp_path / "comma.csv")


def test_says_when_nothing_labels_the_images(tmp_path):
    draw(tmp_path, "1.png", "2.png", "mine.csv")
    with pytest.raises(ValueError, match=r"none of its 2 images has .* Or name .*csv"):
        find_layout(tmp_path)
