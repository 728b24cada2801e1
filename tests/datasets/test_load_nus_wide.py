import numpy as np
import pytest

from kmlic.datasets import load_dataset
from tests.data.files import encode, picture
from tests.shared import shared_path

LABELS = ("animal", "sky", "water")
SIZES = {"image_size": 8, "batch_size": 4}


def marks(row):
    """Every seventh image has no label."""
    if row % 7 == 0:
        return (0, 0, 0)
    return (row % 2, row % 3 == 0, 1)


@pytest.fixture
def folder(tmp_path):
    """NUS-WIDE's folder as it is distributed, with few and drawn images."""
    for name in ("ConceptsList", "ImageList", "Groundtruth/TrainTestLabels"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ConceptsList" / "Concepts81.txt").write_text("\n".join(LABELS) + "\n")
    for part, rows in (("Train", range(60)), ("Test", range(60, 80))):
        for row in rows:
            place = tmp_path / "Flickr" / "actor" / f"{row:04}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(encode(picture(seed=row), "JPEG"))
        listing = tmp_path / "ImageList" / f"{part}Imagelist.txt"
        listing.write_bytes(b"".join(b"actor\\%04d.jpg\r\n" % row for row in rows))
        for index, label in enumerate(LABELS):
            path = tmp_path / "Groundtruth" / "TrainTestLabels"
            path = path / f"Labels_{label}_{part}.txt"
            path.write_text("".join(f"{int(marks(row)[index])} \n" for row in rows))
    return tmp_path


def test_the_official_split_stays_and_a_part_of_training_validates(folder):
    data = load_dataset("nus_wide", data_dir=folder, validation=0.2, **SIZES)
    assert data.labels.names == LABELS
    assert data.sizes["test"] == 20 and data.sizes["validation"] == 12
    for split, paths in data.paths.items():
        for path, target in zip(paths, data.targets[split], strict=True):
            row = int(path[-8:-4])
            assert path == f"Flickr/actor/{row:04}.jpg"
            assert target.tolist() == [int(mark) for mark in marks(row)]
            assert (row >= 60) == (split == "test")
    images, targets = next(iter(data.train))
    assert images.shape == (4, 8, 8, 3) and targets.shape == (4, 3)


def test_images_without_labels_may_be_left_out(folder):
    data = load_dataset("nus_wide", data_dir=folder, unlabelled=False, **SIZES)
    assert sum(data.sizes.values()) == 80 - 12
    assert all((targets.sum(axis=1) > 0).all() for targets in data.targets.values())


def test_images_that_are_lost_are_counted_when_asked(folder):
    (folder / "Flickr" / "actor" / "0070.jpg").unlink()
    with pytest.raises(ValueError, match=r"0070\.jpg must exist"):
        load_dataset("nus_wide", data_dir=folder, **SIZES)
    data = load_dataset("nus_wide", data_dir=folder, on_error="skip", **SIZES)
    assert [bad.path for bad in data.skipped] == ["Flickr/actor/0070.jpg"]


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("Labels_sky_Train.txt", "1\n0\n", r"got 2 for 60"),
        ("Labels_sky_Test.txt", "1\n" * 19 + "2\n", "line 20: must be 0 or 1; got '2'"),
    ],
)
def test_says_which_list_is_wrong(folder, name, text, rule):
    path = folder / "Groundtruth" / "TrainTestLabels" / name
    path.write_text(text)
    with pytest.raises(ValueError, match=rule) as error:
        load_dataset("nus_wide", data_dir=folder, **SIZES)
    assert name in str(error.value)
    path.unlink()
    with pytest.raises(ValueError, match=rf"{name} must exist"):
        load_dataset("nus_wide", data_dir=folder, **SIZES)


def test_says_where_it_is_from_and_what_a_share_is(folder):
    with pytest.raises(ValueError, match="data_dir=None"):
        load_dataset("nus_wide", **SIZES)
    with pytest.raises(ValueError, match="between 0 and 1; got validation=1"):
        load_dataset("nus_wide", data_dir=folder, validation=1, **SIZES)


def test_more_than_a_fifth_of_the_true_images_have_no_label():
    with np.load(shared_path("data/annotations/nuswide_all_81.npz")) as published:
        targets = published["Y"]
    assert targets.shape == (161_789 + 107_859, 81)
    assert (targets.sum(axis=1) == 0).mean() > 0.2
