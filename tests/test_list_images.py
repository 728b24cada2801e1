import os
import shutil

import pytest

from kmlic.list_images import list_images


@pytest.fixture
def folder(tmp_path):
    for name in ("b/2.jpg", "b/1.WEBP", "a.png", "notes.txt", ".hidden/3.jpg"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "images"


def test_searches_folders_to_the_bottom_and_sorts(folder):
    found = [str(path.relative_to(folder)) for path in list_images([folder])]
    assert found == ["a.png", "b/1.WEBP", "b/2.jpg"]


def test_takes_files_as_they_are_given(folder):
    paths = [folder / "notes.txt", folder / "b", folder / "a.png"]
    names = [path.name for path in list_images(paths)]
    assert names == ["notes.txt", "1.WEBP", "2.jpg", "a.png"]


def test_lists_each_path_once_and_says_so(folder, caplog, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "link.png").symlink_to("a.png")
    paths = ["./b/2.jpg", "a.png", folder, "a.png"]
    names = [str(path) for path in list_images(paths)]
    assert names[:2] == ["b/2.jpg", "a.png"]
    rest = [folder / "b/1.WEBP", folder / "link.png"]
    assert names[2:] == list(map(str, rest))
    assert caplog.messages == ["2 images given more than once; each is taken once."]


def test_does_not_look_again_for_what_it_listed(folder):
    listed = list_images([folder])
    shutil.rmtree(folder)
    assert list_images(listed) is listed


def test_keeps_what_a_link_leads_to(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "other").mkdir()
    (folder / "other/a.png").touch()
    (folder / "other/c").mkdir()
    (folder / "link").symlink_to("other/c")
    assert len(list_images(["a.png", "link/../a.png"])) == 2


def test_names_what_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.jpg .* no such path"):
        list_images([tmp_path / "absent.jpg"])


def test_names_a_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"must hold images .*\.webp\); it holds none"):
        list_images([tmp_path])
    with pytest.raises(ValueError, match="at least one"):
        list_images([])


@pytest.mark.parametrize("suffix", ["AVIF", "heic", "hif", "jfif", "jpe", "TIFF"])
def test_finds_images_of_every_kind(tmp_path, suffix):
    path = tmp_path / f"photo.{suffix}"
    path.touch()
    assert list_images([tmp_path]) == [path]


def test_a_named_pipe_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="it is a named pipe"):
        list_images([tmp_path / "a.jpg"])
