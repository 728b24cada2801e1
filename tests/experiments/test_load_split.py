import json

import numpy as np
import pytest

from kmlic.experiments.load_split import load_split
from kmlic.run_folder import Run
from tests.toys import LABELS


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_gives_every_image_of_the_split_in_order(run, split):
    folder, _ = run
    targets = [
        np.concatenate([batch.numpy() for _, batch in load_split(folder, split)])
        for _ in range(2)
    ]
    size = Run.read(folder / "run.json").data["sizes"][split]
    assert targets[0].shape == (size, len(LABELS))
    np.testing.assert_array_equal(*targets)
    assert len(next(iter(load_split(folder, split, batch_size=3)))[0]) == 3


def test_refuses_a_dataset_with_other_labels(run):
    folder, images = run
    (images / "classes.txt").write_text("red\ngreen\nviolet\nblue")
    with pytest.raises(ValueError, match="label 2 is 'blue' here and 'violet' there"):
        load_split(folder, "test")


def test_says_which_splits_there_are(run):
    with pytest.raises(ValueError, match="got split='dev'"):
        load_split(run[0], "dev")


def test_reads_the_images_as_the_run_did(run):
    folder, images = run
    record = json.loads((folder / "run.json").read_text())
    assert record["data"]["options"] == {}
    (images / "0.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"0\.png"):
        load_split(folder, "test")
    record["data"]["options"] = {"on_error": "skip"}
    (folder / "run.json").write_text(json.dumps(record))
    targets = [targets for _, targets in load_split(folder, "test")]
    assert 0 < sum(map(len, targets)) < 40
