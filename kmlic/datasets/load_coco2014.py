"""COCO 2014, 80 labels."""

from pathlib import Path
from typing import Unpack

import numpy as np

from kmlic.data.build_batches import BatchOptions
from kmlic.data.dataset_spec import DatasetSpec
from kmlic.data.from_tfds import Example, from_tfds, multi_hot, prepare_tfds
from kmlic.data.multi_label_data import Boxes, MultiLabelData
from kmlic.labels import Labels

_SPLITS = {"train": "train[:98%]", "validation": "train[98%:]", "test": "validation"}


def load_coco2014(
    *,
    data_dir: str | Path | None = None,
    boxes: bool = False,
    unlabelled: bool = True,
    **options: Unpack[BatchOptions],
) -> MultiLabelData:
    """Loads COCO 2014 through tensorflow-datasets.

    The validation split is a fiftieth of train2014 (82,783 images), the training split
    the rest. The test split is val2014: 40,504 images, or the 40,137 with a label that
    some papers use. A label is present if any object has it, crowds included.

    Args:
        data_dir: folder of tensorflow-datasets; its default when None.
        boxes: whether to load the boxes of the objects too.
        unlabelled: whether to keep images without any label, in all splits.
        **options: see `BatchOptions`. The images are too many to be cached.
    """
    builder = prepare_tfds("coco/2014", data_dir, host="http://images.cocodataset.org")
    names = tuple(builder.info.features["objects"]["label"].names)

    def own_boxes(example: Example) -> Boxes:
        objects = example["objects"]
        own = tuple(names[index] for index in objects["label"])
        return Boxes(own, np.asarray(objects["bbox"], np.float32))

    return from_tfds(
        builder,
        splits=_SPLITS,
        labels=Labels(names, image_size=options["image_size"]),
        targets=lambda example, _: multi_hot(example["objects"]["label"], 80),
        spec=DatasetSpec("coco2014", data_dir, options={"unlabelled": unlabelled}),
        boxes=own_boxes if boxes else None,
        unlabelled=unlabelled,
        **options,
    )
