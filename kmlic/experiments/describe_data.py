"""Description of a dataset in run.json."""

import dataclasses
from typing import Any

from kmlic.data import MultiLabelData

# File of a run folder: the digests of the exported model's training images.
TRAIN_IMAGES = "train_images.npy"
# Name in a spec of images that `kmlic train` split; other datasets have a loader.
SPLIT_BY_TRAIN = "kmlic train"
# Its name in run.json, in place of a recipe's.
TRAIN_RECIPE = "train"


def describe_data(data: MultiLabelData) -> dict[str, Any]:
    """Returns the spec of a dataset, and the size and fingerprint of each split.

    Args:
        data: the splits that a model is trained and scored on.
    """
    return {
        "spec": data.spec and dataclasses.asdict(data.spec),
        "splits": {
            split: {"images": data.sizes[split], "fingerprint": fingerprint}
            for split, fingerprint in data.fingerprints.items()
        },
    }
