"""A dataset of a folder of images, labelled by subfolders or text files."""

import dataclasses
from pathlib import Path
from typing import Unpack

from kmlic.check_choice import check_choice
from kmlic.data.build_from_listing import RowOptions
from kmlic.data.from_path import from_path
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.reading_options import DEFAULT_READING, ReadingOptions


def from_folder(
    path: str | Path,
    reading: ReadingOptions | None = None,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads the images of a folder, labelled by subfolders or by text files.

    With the layout "folders", an image is in a folder named after its label, or after
    several that the separator joins, as in black_jeans. Copies of a file in several
    folders are one image with all these labels. With "tags", each image has a text file
    of the same name beside it, with labels on lines or between separators; it is empty
    for an image without labels. Backslashes before other characters are removed, and
    underscores within names become spaces. Lines of YOLO's boxes stand for the names in
    classes.txt or data.yaml, and may be in a folder labels instead. Folders named after
    splits may be above or below those of labels; hidden files are left out.

    Args:
        path: the folder, with images at any depth; may be in a store, such as gs://.
        reading: how it is read; by the defaults when None. Its layout is "folders" when
            left out, whatever else the folder holds; `from_path` finds the layout.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes.

    Raises:
        ValueError: naming the folder, the image and the rule: no image, no text file
            beside an image, an image that does not decode, an unknown label.

    Example:
        >>> from_folder("gone", image_size=64, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: gone must be a file or folder; there is none.
    """
    reading = reading or DEFAULT_READING
    layout = reading.layout or "folders"
    check_choice("layout", layout, "folders", "tags")
    return from_path(path, dataclasses.replace(reading, layout=layout), **options)
