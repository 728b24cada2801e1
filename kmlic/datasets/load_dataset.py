"""Datasets by name."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from kmlic.check_choice import check_choice
from kmlic.data.from_path import from_path
from kmlic.data.keep_labels import keep_labels
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.read_listing import OWN_IMAGES
from kmlic.data.reading_options import ReadingOptions
from kmlic.datasets.load_apparel import load_apparel
from kmlic.datasets.load_cifar100 import load_cifar100
from kmlic.datasets.load_coco2014 import load_coco2014
from kmlic.datasets.load_deepfashion import load_deepfashion
from kmlic.datasets.load_nus_wide import load_nus_wide
from kmlic.datasets.load_tiny_imagenet import load_tiny_imagenet
from kmlic.datasets.load_voc2007 import load_voc2007
from kmlic.datasets.street_fashion.load_street_fashion import load_street_fashion


def _load_own_images(
    *,
    data_dir: str | Path,
    reading: ReadingOptions | Mapping[str, Any] | None = None,
    **options: Any,
) -> MultiLabelData:
    if not isinstance(reading, ReadingOptions):
        reading = ReadingOptions(**(reading or {}))
    return from_path(data_dir, reading, **options)


# Name to the loader and the options that the name stands for.
LOADERS: dict[str, tuple[Callable[..., MultiLabelData], dict[str, Any]]] = {
    OWN_IMAGES: (_load_own_images, {}),
    "street_fashion": (load_street_fashion, {}),
    "street_fashion/patterns": (load_street_fashion, {"labels": "patterns"}),
    "street_fashion/attributes": (load_street_fashion, {"labels": "attributes"}),
    "street_fashion/tiny": (load_street_fashion, {"config": "tiny"}),
    "street_fashion/tiny/patterns": (
        load_street_fashion,
        {"config": "tiny", "labels": "patterns"},
    ),
    "street_fashion/tiny/attributes": (
        load_street_fashion,
        {"config": "tiny", "labels": "attributes"},
    ),
    "deepfashion_attributes": (load_deepfashion, {}),
    "deepfashion_attributes/patterns": (load_deepfashion, {"labels": "patterns"}),
    "voc2007": (load_voc2007, {}),
    "coco2014": (load_coco2014, {}),
    "nus_wide": (load_nus_wide, {}),
    "apparel": (load_apparel, {}),
    "tiny_imagenet": (load_tiny_imagenet, {}),
    "cifar100": (load_cifar100, {}),
}
# Those whose loader does not check for a path itself.
_NEED_PATH = (OWN_IMAGES, "tiny_imagenet")


def load_dataset(
    name: str,
    *,
    data_dir: str | Path | None = None,
    augmentation: str = "flip",
    augment_on: Literal["pipeline", "device"] = "pipeline",
    keep: Mapping[str, Any] | None = None,
    **options: Any,
) -> MultiLabelData:
    """Loads a dataset by its name.

    Args:
        name: "street_fashion" (34 patterns, garments and colours),
            "street_fashion/patterns" (the 11 patterns), "street_fashion/attributes" (26
            in 6 groups), or any of these with "/tiny" behind "street_fashion" for 160
            images; "voc2007" and "coco2014", which tensorflow-datasets downloads; from
            their folders "nus_wide", "apparel", "tiny_imagenet", "cifar100",
            "deepfashion_attributes" (the attribute challenge) and
            "deepfashion_attributes/patterns" (the first of its groups); "own_images"
            for a path that `kmlic.data.from_path` reads.
        data_dir: the dataset's folder, or where tensorflow-datasets keeps its data; the
            path of own images.
        augmentation: of training images, see `Augmentation`.
        augment_on: pipeline for tf.data, from the originals; device for the training
            step of `kmlic.training.fit`, once images are resized.
        keep: arguments of `keep_labels`, which is then called with the dataset.
        **options: image_size and batch_size, both required, seed, cache, pixels (see
            `BatchOptions`), and what else the dataset's own loader takes, such as
            `reading` for own images, a dictionary of `ReadingOptions`.

    Raises:
        ValueError: if there is no such dataset, or its loader refuses its files.

    Example:
        >>> load_dataset("own_images", data_dir="a.csv", image_size=64, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: a.csv must be a file or folder; there is none.
    """
    check_choice("augment_on", augment_on, "pipeline", "device")
    check_choice("name", name, *LOADERS)
    load, fixed = LOADERS[name]
    if data_dir is None and name in _NEED_PATH:
        raise ValueError(
            f"`data_dir` must be the folder of the dataset {name!r}; got data_dir=None."
        )
    data = load(
        data_dir=data_dir,
        augmentation=augmentation if augment_on == "pipeline" else "none",
        **{**fixed, **options},
    )
    if keep is not None:
        data = keep_labels(data, **keep)
    if augment_on == "device":
        data = dataclasses.replace(data, device_augmentation=augmentation)
    return data
