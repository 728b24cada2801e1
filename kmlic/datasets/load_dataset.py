"""Datasets by name."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from kmlic.data.from_coco import from_coco
from kmlic.data.from_csv import from_csv
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.datasets.load_apparel import load_apparel
from kmlic.datasets.load_cifar100 import load_cifar100
from kmlic.datasets.load_coco2014 import load_coco2014
from kmlic.datasets.load_deepfashion import load_deepfashion
from kmlic.datasets.load_nus_wide import load_nus_wide
from kmlic.datasets.load_tiny_imagenet import load_tiny_imagenet
from kmlic.datasets.load_voc2007 import load_voc2007
from kmlic.datasets.street_fashion.load_street_fashion import load_street_fashion

# Name to the builder's variant and the labels that are chosen.
_STREET_FASHION: dict[str, tuple[str, Any]] = {
    "street_fashion": ("default", "all"),
    "street_fashion/patterns": ("default", "patterns"),
    "street_fashion/attributes": ("default", "attributes"),
    "street_fashion/tiny": ("tiny", "all"),
    "street_fashion/tiny/patterns": ("tiny", "patterns"),
    "street_fashion/tiny/attributes": ("tiny", "attributes"),
}
_DEEPFASHION: dict[str, Any] = {
    "deepfashion_attributes": "attributes",
    "deepfashion_attributes/patterns": "patterns",
}
# What runs of earlier versions call them.
_FORMER = {
    "deepfashion": "deepfashion_attributes",
    "deepfashion/patterns": "deepfashion_attributes/patterns",
    "voc/2007": "voc2007",
    "coco/2014": "coco2014",
}
_NAMES = (
    *_STREET_FASHION,
    *_DEEPFASHION,
    "csv",
    "coco",
    "voc2007",
    "coco2014",
    "nus_wide",
    "apparel",
    "tiny_imagenet",
    "cifar100",
)


def load_dataset(
    name: str,
    *,
    image_size: int,
    batch_size: int,
    data_dir: str | Path | None = None,
    seed: int = 0,
    augmentation: str = "flip",
    augment_on: Literal["pipeline", "device"] = "pipeline",
    cache: bool = True,
    **options: Any,
) -> MultiLabelData:
    """Loads a dataset by its name.

    Args:
        name: "street_fashion" (34 patterns, garments and colours),
            "street_fashion/patterns" (the 11 patterns), "street_fashion/attributes" (26
            in 6 groups), or any of these with "/tiny" behind "street_fashion" for 160
            images; "csv" for `data_dir`/labels.csv (see `from_csv`; the order of the
            labels is that of `data_dir`/classes.txt where there is one); "coco" for
            `data_dir`/labels.json (see `from_coco`); "voc2007" and "coco2014", which
            tensorflow-datasets downloads; from their folder `data_dir` "nus_wide",
            "apparel", "tiny_imagenet", "cifar100", "deepfashion_attributes" (the
            attribute challenge) and "deepfashion_attributes/patterns" (the first of its
            groups).
        image_size: side in pixels that images are resized to.
        batch_size: images a batch.
        data_dir: the dataset's folder, or where tensorflow-datasets keeps its data.
        seed: of splits, order and augmentation.
        augmentation: of training images, see `Augmentation`.
        augment_on: pipeline for tf.data, from the originals; device for the training
            step of `kmlic.training.fit`, once images are resized.
        cache: whether to keep decoded images in memory while they fit.
        **options: what the dataset's own loader takes beside these.

    Raises:
        ValueError: if there is no such dataset, or its loader refuses its files.

    Example:
        >>> load_dataset("csv", data_dir=".../photos", image_size=224, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: .../photos/labels.csv must be a CSV file; there is no such file.
    """
    if augment_on not in ("pipeline", "device"):
        raise ValueError(
            f'`augment_on` must be "pipeline" or "device"; got {augment_on=}.'
        )
    arguments: dict[str, Any] = {
        "image_size": image_size,
        "batch_size": batch_size,
        "seed": seed,
        "augmentation": augmentation if augment_on == "pipeline" else "none",
        "cache": cache,
        **options,
    }
    data = _load(_FORMER.get(name, name), data_dir, arguments)
    if augment_on == "device":
        data = dataclasses.replace(data, device_augmentation=augmentation)
    return data


def _load(
    name: str, data_dir: str | Path | None, arguments: dict[str, Any]
) -> MultiLabelData:
    if name in _STREET_FASHION:
        config, chosen = _STREET_FASHION[name]
        return load_street_fashion(
            config=config, labels=chosen, data_dir=data_dir, **arguments
        )
    if name in _DEEPFASHION:
        return load_deepfashion(
            labels=_DEEPFASHION[name], data_dir=data_dir, **arguments
        )
    if name == "csv":
        return _load_csv(data_dir, arguments)
    if name == "coco":
        return from_coco(_folder(name, data_dir) / "labels.json", **arguments)
    if name == "voc2007":
        return load_voc2007(data_dir=data_dir, **arguments)
    if name == "coco2014":
        return load_coco2014(data_dir=data_dir, **arguments)
    if name == "nus_wide":
        return load_nus_wide(data_dir=data_dir, **arguments)
    if name == "apparel":
        return load_apparel(data_dir=data_dir, **arguments)
    if name == "tiny_imagenet":
        return load_tiny_imagenet(_folder(name, data_dir), **arguments)
    if name == "cifar100":
        return load_cifar100(data_dir=data_dir, **arguments)
    raise ValueError(f"`name` must be one of {_NAMES}; got name={name!r}.")


def _load_csv(data_dir: str | Path | None, arguments: dict[str, Any]) -> MultiLabelData:
    folder = _folder("csv", data_dir)
    classes = folder / "classes.txt"
    if classes.is_file():
        arguments.setdefault("label_names", classes)
    return from_csv(folder / "labels.csv", **arguments)


def _folder(name: str, data_dir: str | Path | None) -> Path:
    if data_dir is None:
        raise ValueError(
            f"`data_dir` must be the folder of the dataset {name!r}; got data_dir=None."
        )
    return Path(data_dir)
