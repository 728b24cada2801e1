"""The drawn dataset street_fashion, as splits to train on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
import tensorflow as tf

from kmlic.check_choice import check_choice
from kmlic.data.build_batches import BatchOptions
from kmlic.data.dataset_spec import DatasetSpec
from kmlic.data.from_tfds import Example, from_tfds
from kmlic.data.multi_label_data import Boxes, MultiLabelData
from kmlic.datasets.deepfashion import ATTRIBUTE_GROUPS
from kmlic.datasets.street_fashion.builder import (
    StreetFashionConfig,
    load_street_fashion_builder,
)
from kmlic.datasets.street_fashion.outfits import (
    ACCESSORIES,
    COLOURS,
    GARMENTS,
    PATTERNS,
    dress_figure,
)
from kmlic.labels import Labels

_ALL = {"patterns": PATTERNS, "garments": GARMENTS, "colours": COLOURS}
_SPLITS = {"train": "train", "validation": "validation", "test": "test"}


def load_street_fashion(
    *,
    labels: Literal["all", "patterns", "attributes"] = "all",
    config: str | StreetFashionConfig | Mapping[str, Any] = "default",
    data_dir: str | Path | None = None,
    boxes: bool = False,
    **options: Unpack[BatchOptions],
) -> MultiLabelData:
    """Loads street_fashion, and draws its images the first time.

    Its training images have captions, for word vectors.

    Args:
        labels: "all" for 34 labels in the groups patterns, garments and colours,
            "patterns" for the 11 patterns, "attributes" for 26 in 6 groups with one
            label each per image.
        config: "default", "tiny" (its first 160 images), a `StreetFashionConfig` with
            another name, or the arguments of one.
        data_dir: folder of tensorflow-datasets; its default when None.
        boxes: whether to load the boxes too: of every garment, and the same ones for
            its patterns and colours.
        **options: see `BatchOptions`. The splits do not depend on the seed.

    Raises:
        ValueError: if there is no such choice of labels.
    """
    check_choice("labels", labels, *_LABELS)
    groups, targets = _LABELS[labels]
    if isinstance(config, Mapping):
        config = StreetFashionConfig(**config)
    names = tuple(name for members in groups.values() for name in members)
    return from_tfds(
        load_street_fashion_builder(data_dir, config),
        splits=_SPLITS,
        labels=Labels(
            names,
            groups=groups,
            image_size=options["image_size"],
            exclusive=labels == "attributes",
        ),
        targets=lambda example, _: targets(example),
        spec=DatasetSpec(
            "street_fashion",
            data_dir,
            options={"labels": labels, "config": _config_values(config)},
        ),
        caption="caption",
        name="index",
        boxes=_boxes if boxes else None,
        **options,
    )


def _config_values(config: str | StreetFashionConfig) -> str | dict[str, Any]:
    if isinstance(config, str):
        return config
    fields = ("name", "train", "validation", "test", "seed")
    return {field: getattr(config, field) for field in fields}


def _boxes(example: Example) -> Boxes:
    outfit = dress_figure(int(example["seed"]), int(example["index"]))
    names, corners = [], []
    for garment, box in zip(outfit.garments, example["boxes"]["box"], strict=True):
        patterns = () if garment.kind in ACCESSORIES else garment.patterns
        for name in (garment.kind, *patterns, *garment.colours):
            names.append(name)
            corners.append(box)
    return Boxes(tuple(names), np.stack(corners))


def _attributes(example: Example) -> tf.Tensor:
    marks = [
        tf.one_hot(example["attributes"][group], len(names), dtype=tf.int8)
        for group, names in ATTRIBUTE_GROUPS.items()
    ]
    return tf.concat(marks, axis=0)


# Choice of labels to their groups, and an example to their targets.
_LABELS: dict[str, tuple[Mapping[str, tuple[str, ...]], Callable[..., tf.Tensor]]] = {
    "all": (_ALL, lambda example: tf.concat([example[each] for each in _ALL], axis=0)),
    "patterns": ({"patterns": PATTERNS}, lambda example: example["patterns"]),
    "attributes": (ATTRIBUTE_GROUPS, _attributes),
}
