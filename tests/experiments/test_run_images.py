import numpy as np
import pytest

from kmlic.data import check_images
from kmlic.data.check_images import shorten
from kmlic.data.file_pixels import FilePixels
from kmlic.experiments.run_images import load_run_images, write_run_images
from kmlic.labels import Labels
from tests.classifier.photos import draw

LABELS = Labels(("a", "b"), image_size=32)
OPTIONS = {"image_size": 32, "batch_size": 8}


@pytest.fixture
def run(tmp_path):
    """Three images, one of them for the test, and their run's folder."""
    photos = tmp_path / "photos"
    photos.mkdir()
    names = ("x.png", "y \u00e9|.png", "z.png")
    for number, name in enumerate(names):
        draw(["red"], number).save(photos / name)
    files = [photos / name for name in names]
    folder = tmp_path / "run"
    folder.mkdir()
    write_run_images(
        folder,
        LABELS,
        FilePixels(np.array([bytes(file) for file in files]), np.ones(3, np.int32)),
        paths=names,
        targets=np.array([[1, 0], [0, -1], [1, 1]], "int8"),
        split=np.array([0, 0, 2], "int8"),
        digests=shorten(each.digest for each in check_images(files)),
        groups=["one", None, "two"],
    )
    return folder, photos


def test_loads_what_was_written(run):
    data = load_run_images(run[0], LABELS, **OPTIONS)
    assert data.sizes == {"train": 2, "validation": 0, "test": 1}
    assert data.paths["train"] == ("x.png", "y \u00e9|.png")
    assert data.targets["train"].tolist() == [[1, 0], [0, -1]]
    assert data.groups == {"train": ("one", ""), "validation": (), "test": ("two",)}
    ((images, targets),) = data.test
    assert images.shape == (1, 32, 32, 3)
    assert targets.numpy().tolist() == [[1, 1]]


def test_images_may_move(run):
    folder, photos = run
    photos.rename(photos.with_name("moved"))
    with pytest.raises(ValueError, match=r"1 are not: .*z\.png must exist.*data_dir"):
        load_run_images(folder, LABELS, check=("test",), **OPTIONS)
    data = load_run_images(
        folder, LABELS, data_dir=photos.with_name("moved"), **OPTIONS
    )
    assert len(next(iter(data.train))[0]) == 2


def test_refuses_images_that_have_changed(run):
    folder, photos = run
    draw(["blue"], 9).save(photos / "x.png")
    load_run_images(folder, LABELS, check=("test",), **OPTIONS)
    with pytest.raises(ValueError, match=r"1 have changed: .*x\.png\. Restore"):
        load_run_images(folder, LABELS, **OPTIONS)


def test_says_which_runs_have_no_files(tmp_path):
    with pytest.raises(ValueError, match="cannot be loaded by name"):
        load_run_images(tmp_path, LABELS, **OPTIONS)
