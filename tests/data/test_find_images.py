import time
import unicodedata

import pytest

from kmlic.data.find_images import find_images, has_image_suffix
from kmlic.data.storage import Files


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("7", "train/7.JPG"),
        ("7.jpg", "train/7.JPG"),
        ("train/7.JPG", "train/7.JPG"),
        ("train\\7.jpg", "train/7.JPG"),
        ("gs://bucket/photos/train/7.jpg", "train/7.JPG"),
        ("https://host/train/7.jpg", "train/7.JPG"),
        ("/home/me/train/7.jpg", "train/7.JPG"),
        ("C:\\photos\\train\\7.jpg", "train/7.JPG"),
        ("a b.png", "a b.png"),
        # No other folder, and nothing above the root, is taken instead.
        ("test/7.jpg", "test/7.jpg"),
        ("../7.jpg", "../7.jpg"),
        ("gone.jpg", "gone.jpg"),
    ],
)
def test_finds_the_file_that_a_name_means(tmp_path, name, path):
    touch(tmp_path, "train/7.JPG", "a b.png", ".hidden/8.jpg")
    found = find_images([name], tmp_path)
    assert found.paths == [path] and not found.problems
    changed = [[name, path]] if path != name else []
    assert [row for note in found.findings for row in note.rows] == changed


def test_a_name_that_may_be_two_files_is_a_problem(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/1.jpg")
    found = find_images(["1.jpg", "b/1.jpg"], tmp_path)
    assert "may be a/1.jpg or b/1.jpg" in found.problems[0]
    assert 1 not in found.problems


def test_two_names_of_one_file_are_one_path(tmp_path):
    touch(tmp_path, "a/1.jpg")
    found = find_images(["1", "a/1.jpg"], tmp_path)
    assert found.paths == ["a/1.jpg", "a/1.jpg"] and found.problems == {}


def test_adds_a_suffix_where_there_is_none(tmp_path):
    touch(tmp_path, "1.jpg", "2.png")
    assert find_images(["1", "2.png"], tmp_path, suffix=".jpg").paths == [
        "1.jpg",
        "2.png",
    ]


def test_names_that_no_system_allows_are_left_to_the_reader(tmp_path):
    names = ["a\0.jpg", "x" * 5000 + ".jpg", "", "\udcff.jpg"]
    assert find_images(names, tmp_path).paths == names


def test_does_not_list_a_folder_whose_paths_are_right(tmp_path, monkeypatch):
    touch(tmp_path, "1.jpg", "2.jpg")
    module = __import__("kmlic.data.find_images", fromlist=["files_below"])
    monkeypatch.setattr(module, "files_below", None)
    assert find_images(["1.jpg", "2.jpg"], tmp_path).paths == ["1.jpg", "2.jpg"]


def test_very_many_files_of_one_name_take_little_work(tmp_path, monkeypatch):
    files = [f"train/patient{i}/view1.jpg" for i in range(20_000)]
    monkeypatch.setattr("kmlic.data.find_images.files_below", lambda _: Files(files))
    started = time.process_time()
    found = find_images([f"/data/{name}" for name in files], tmp_path)
    assert found.paths == files and not found.problems
    lost = [f"chest/{name}" for name in files]
    assert find_images(lost, tmp_path).paths == lost
    assert time.process_time() - started < 30  # comparing all pairs takes minutes


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_may_be_in_another_normal_form_of_unicode(tmp_path, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    file = unicodedata.normalize(form, "café/é.jpg")
    touch(tmp_path, file, *(f"{i}.jpg" for i in range(200)))
    names = [unicodedata.normalize(other, name) for name in ("café/é.jpg", "é")]
    assert names[0] != file
    plain = [f"{i}.jpg" for i in range(200)]
    assert find_images([*plain, *names], tmp_path).paths == [*plain, file, file]
    touch(tmp_path, names[0])
    assert find_images([names[0], file], tmp_path).paths == [names[0], file]


def test_suffixes_of_images():
    assert has_image_suffix("a.HEIC") and not has_image_suffix("jpg")


def test_the_whole_machine_is_not_searched(monkeypatch):
    module = __import__("kmlic.data.find_images", fromlist=["files_below"])
    monkeypatch.setattr(module, "files_below", None)
    assert find_images(["gone-7.jpg"], "/").paths == ["gone-7.jpg"]


def test_a_name_may_begin_with_the_folder_itself(tmp_path):
    root = tmp_path / "CheXpert"
    touch(root, "train/1.jpg")
    assert find_images(["CheXpert/train/1.jpg"], root).paths == ["train/1.jpg"]
