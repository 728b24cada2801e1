"""A dataset with annotations in COCO's JSON format."""

import dataclasses
from pathlib import Path
from typing import Unpack

from kmlic.data.build_from_listing import RowOptions
from kmlic.data.from_path import from_path
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.reading_options import DEFAULT_READING, ReadingOptions


def from_coco(
    path: str | Path,
    reading: ReadingOptions | None = None,
    *,
    boxes: bool = False,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads a JSON file of images, categories and annotations, as in COCO.

    A label is present if any annotation has it, crowds included. Labels are in the
    order of the categories' ids, without those that no annotation has. Ids are numbers
    or texts. In errors a row is the number of the image in the list "images", from 1.

    Args:
        path: the JSON file, or a folder with annotations/instances_*.json or with
            Roboflow's _annotations.coco.json, whose names or folders give the splits.
        reading: how it is read; by the defaults when None.
        boxes: whether to read the boxes too, which needs "bbox" in each annotation and
            "height" and "width" of each image.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes.

    Raises:
        ValueError: naming the file, the row and the rule: not such JSON, an id of two
            images, an annotation of a category that is not listed, an image that does
            not decode.

    Example:
        >>> from_coco("instances.json", image_size=64, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: instances.json must be a file or folder; there is none.
    """
    reading = dataclasses.replace(reading or DEFAULT_READING, layout="coco")
    return from_path(path, reading, boxes=boxes, **options)
