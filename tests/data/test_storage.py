import os

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import from_csv, inspect_rows, read_image, read_listing, storage
from kmlic.data.read_text_rows import read_columns
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import files_below, is_file, join, open_text, parent, read_file
from tests.data.files import encode, picture

STORE = "ram://photos"


@pytest.fixture
def store():
    """A store that lies in memory, which TensorFlow reaches as it does gs://."""
    for row in range(12):
        name = f"{STORE}/{row}.png"
        with tf.io.gfile.GFile(name, "wb") as file:
            file.write(encode(picture(seed=row), "PNG"))
    with tf.io.gfile.GFile(f"{STORE}/labels.csv", "wb") as file:
        lines = ["path,labels", *(f"{row}.png,dog" for row in range(12))]
        file.write("\n".join(lines).encode())
    return STORE


def test_a_table_and_its_images_may_lie_in_a_store(store):
    data = from_csv(f"{store}/labels.csv", image_size=8, batch_size=2)
    assert sum(data.sizes.values()) == 12
    images = np.concatenate([images for images, _ in data.test.as_numpy_iterator()])
    assert images.shape[1:] == (8, 8, 3)
    first = read_image(join(store, data.paths["test"][0]))
    assert first.shape == (24, 32, 3)


def test_folders_and_annotations_may_lie_in_a_store():
    root = "ram://folders"
    for row in range(12):
        data = encode(picture(seed=row), "JPEG")
        name = f"{'cat' if row % 2 else 'dog'}/{row}"
        files = {
            f"{root}/labels/{name}.jpg": data,
            f"{root}/tags/{name}.jpg": data,
            f"{root}/tags/{name}.txt": b"cat, sofa",
            f"{root}/voc/JPEGImages/{row}.jpg": data,
            f"{root}/voc/Annotations/{row}.xml": (
                f"<annotation><filename>{row}.jpg</filename>"
                "<object><name>dog</name></object></annotation>"
            ).encode(),
        }
        for path, content in files.items():
            tf.io.gfile.makedirs(parent(path))  # which gs:// does without
            with tf.io.gfile.GFile(path, "wb") as file:
                file.write(content)
    names = {
        "labels": ("cat", "dog"),
        "tags": ("cat", "sofa"),
        "voc": ("dog",),
    }
    for kind, expected in names.items():
        rows = inspect_rows(read_listing(f"{root}/{kind}"))
        assert rows.names == expected and len(rows.images) == 12
        assert not rows.skipped
    assert files_below(f"{root}/labels").names[:2] == ["cat/1.jpg", "cat/11.jpg"]
    with pytest.raises(ValueError, match="must be a file or folder; there is none"):
        read_listing(f"{root}/gone", ReadingOptions(layout="folders"))


def test_paths_do_not_leave_a_store(store):
    with tf.io.gfile.GFile(f"{store}/out.csv", "wb") as file:
        file.write(b"path,labels\n../other/a.png,dog\n")
    with pytest.raises(
        ValueError, match=r"must stay inside ram://photos, or another --root; got"
    ):
        from_csv(f"{store}/out.csv", image_size=8, batch_size=2)


def test_paths_keep_their_store():
    assert join("gs://a/b", "c.png") == "gs://a/b/c.png"
    assert parent("gs://a/b/c.csv") == "gs://a/b"
    assert parent("labels.csv") == "."


def test_text_is_read_without_its_mark_of_utf_8(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfpath\r\na\r\n")
    with open_text(path) as file:
        assert list(file) == ["path\r\n", "a\r\n"]


def test_says_what_is_wrong_with_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "a", max_bytes=5) == b"12345"
    with pytest.raises(ValueError, match=r"at most max_bytes=4 bytes; it has 5"):
        read_file(tmp_path / "a", max_bytes=4)
    with pytest.raises(ValueError, match="it is a folder"):
        read_file(tmp_path, max_bytes=4)
    with pytest.raises(ValueError, match="b must exist"):
        read_file(tmp_path / "b", max_bytes=4)
    with pytest.raises(ValueError, match="scheme 'nowhere' not implemented"):
        read_file("nowhere://a", max_bytes=4)
    with pytest.raises(ValueError, match="nowhere://a must be reachable"):
        is_file("nowhere://a")


def test_folders_that_link_to_each_other_are_listed_in_the_end(tmp_path):
    folders = [tmp_path / f"{i}" for i in range(9)]
    for folder in folders:
        folder.mkdir()
        (folder / "a.jpg").touch()
    for folder in folders:
        for other in folders:
            (folder / other.name).symlink_to(other)
    names = files_below(tmp_path).names
    assert set(names) >= {f"{i}/a.jpg" for i in range(9)} and len(names) < 200


def test_a_named_pipe_is_refused_not_waited_for(tmp_path):
    path = tmp_path / "labels.csv"
    os.mkfifo(path)
    for read in (
        storage.is_file,
        storage.open_text,
        storage.read_lines,
        lambda path: storage.read_file(path, max_bytes=9),
        lambda path: next(read_columns(path, ["path"])),
    ):
        with pytest.raises(ValueError, match="must be a file or folder; it is a named"):
            read(path)
