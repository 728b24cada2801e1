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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("annotations.csv", "file;tags\n1.png;dog|cat\n2.png;sofa\n"),
        ("b/annotations.tsv", "file\ttags\nbatch1/1.png\tdog\n"),
        ("annotations.txt", "batch1\\1.png dog\nbatch2\\2.png sofa\n"),
        ("annotations.jsonl", '{"image": "batch1/1.png", "tags": ["dog"]}\n'),
        ("annotations.csv", "id,tags\n1,dog\n2,sofa\n"),
        ("annotations.parquet", "PAR1"),
    ],
)
def test_refuses_folders_of_images_that_a_table_may_label(tmp_path, name, text):
    draw(tmp_path, "batch1/1.png", "batch2/2.png", name)
    (tmp_path / name).write_text(text)
    rule = rf"by its files; 1 file may label its images: {name}\. Give the file"
    with pytest.raises(ValueError, match=rule):
        find_layout(tmp_path)
    draw(tmp_path, "a.csv")
    (tmp_path / "a.csv").write_text("file,tags\n2.png,dog\n")
    with pytest.raises(ValueError, match=rf"2 files may .*: a\.csv, {name}\."):
        find_layout(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("splits.csv", "path,split\ncat/1.png,train\ndog/2.png,test\n"),
        ("train.txt", "cat/1.png\ndog/2.png\n"),
        ("train.txt", "cat/1\ndog/2\n"),
        ("README.txt", "Photos\nas 1.png is\nof dogs\n"),
        ("photos.csv", "file,camera\n7.png,A\n8.png,B\n"),
        ("notes.csv", "day,visitors\n1,20\n20,30\n21,30\n"),
    ],
)
def test_other_tables_beside_folders_of_labels_are_no_labels(tmp_path, name, text):
    draw(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / name).write_text(text)
    assert find_layout(tmp_path).layout == "folders"


def test_says_when_nothing_labels_the_images(tmp_path):
    draw(tmp_path, "1.png", "2.png", "mine.csv")
    with pytest.raises(
        ValueError, match=r"it has 2 images, and neither\. Or name .*csv"
    ):
        find_layout(tmp_path)
