import numpy as np
import pytest

from kmlic.data.file_pixels import FilePixels
from tests.classifier.photos import draw


def _pixels(folder, names, boxes=None):
    files = []
    for number, name in enumerate(names):
        draw(["red"], number).save(folder / "image.png")
        files.append(bytes(folder / "x")[:-1] + name)
        (folder / "image.png").rename(files[-1].decode(errors="surrogateescape"))
    turns = np.ones(len(names), np.int32)
    return FilePixels(np.array(files), turns, boxes)


def test_reads_a_file_whose_name_is_not_utf8(tmp_path):
    pixels = _pixels(tmp_path, [b"a\xff.png"])
    path, turns, boxes = pixels.references(np.array([0]))
    image = pixels.load((path[0], turns[0], boxes[0]), image_size=48)
    assert image.shape == (48, 48, 3)


def test_joins_images_that_all_have_boxes_or_none(tmp_path):
    boxes = np.array([[0, 0, 10, 20]])
    one = _pixels(tmp_path, [b"a.png"], boxes)
    other = _pixels(tmp_path, [b"longer.png"], boxes)
    both = one.joined(other)
    assert both.files.tolist() == [*one.files, *other.files]
    path, turns, box = both.references(np.array([1]))
    image = both.load((path[0], turns[0], box[0]), image_size=48)
    assert image.shape == (20, 10, 3)
    with pytest.raises(ValueError, match="only there"):
        one.joined(_pixels(tmp_path, [b"b.png"]))
