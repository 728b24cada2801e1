import json

import numpy as np
import pytest

from kmlic.datasets import load_dataset
from kmlic.datasets.load_apparel import GROUPS
from tests.data.files import encode, picture
from tests.shared import shared_path

SIZES = {"image_size": 16, "batch_size": 4}
NAMES = [name for group in GROUPS.values() for name in group]


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("black_dress", "brown_shoes", "red_shirt")):
        (tmp_path / name).mkdir()
        for row in range(10):
            data = encode(picture(seed=100 * number + row), "JPEG")
            (tmp_path / name / f"{row:040x}.jpg").write_bytes(data)
    return tmp_path


def test_an_image_has_the_colour_and_the_garment_of_its_folder(folder):
    data = load_dataset("apparel", data_dir=folder, **SIZES)
    assert list(data.labels.names) == NAMES
    assert data.labels.groups == GROUPS
    assert sum(data.sizes.values()) == 30 and data.sizes["test"] == 15
    for path, target in zip(data.paths["test"], data.targets["test"], strict=True):
        present = {NAMES[index] for index in np.flatnonzero(target)}
        assert present == set(path.split("/")[0].split("_"))


def test_says_which_folder_is_of_another_kind(folder):
    (folder / "red_dress").mkdir()
    (folder / "red_dress/a.jpg").write_bytes(encode(picture(), "JPEG"))
    (folder / "red_dress").rename(folder / "red_hat")
    with pytest.raises(ValueError, match=r"red_hat/a\.jpg: labels must be .*'hat'"):
        load_dataset("apparel", data_dir=folder, **SIZES)
    with pytest.raises(ValueError, match="got data_dir=None"):
        load_dataset("apparel", **SIZES)


def test_the_labels_are_the_published_ones_in_their_order():
    with np.load(shared_path("data/label_graphs/apparel.npz")) as published:
        assert published["labels"].tolist() == NAMES
    path = shared_path("data/annotations/apparel_image_labels_msrn.json")
    labels = json.loads(path.read_text()).values()
    colours, garments = GROUPS.values()
    assert all(one in colours and other in garments for one, other in labels)
