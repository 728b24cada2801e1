"""A dataset with annotations in Pascal VOC's XML format."""

import dataclasses
from pathlib import Path
from typing import Unpack

from kmlic.data.build_from_listing import RowOptions
from kmlic.data.from_path import from_path
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.reading_options import DEFAULT_READING, ReadingOptions


def from_voc(
    path: str | Path,
    reading: ReadingOptions | None = None,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads a folder with XML files of objects for its images, as in Pascal VOC.

    They are in the folder Annotations, or else anywhere; the images are in JPEGImages,
    images or beside them, and the filename in a file may lack its suffix. A label is
    present where any object of an image has it. The splits are those of train.txt,
    val.txt, test.txt and trainval.txt in ImageSets/Main, or else of folders named after
    splits. The folder above, such as VOCdevkit, may be given where it holds one year.

    Args:
        path: the folder; may be in a store, such as gs://.
        reading: how it is read; by the defaults when None.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes.

    Raises:
        ValueError: naming the folder, the image and the rule: no annotations, a file
            that is not such XML, an image that is missing or does not decode.

    Example:
        >>> from_voc("VOC2007", image_size=64, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: VOC2007 must be a file or folder; there is none.
    """
    reading = dataclasses.replace(reading or DEFAULT_READING, layout="voc")
    return from_path(path, reading, **options)
