"""Datasets of own images, from any file or folder that kmlic reads."""

import dataclasses
from pathlib import Path
from typing import Unpack

from kmlic.check_choice import check_choice
from kmlic.data.build_from_listing import RowOptions, build_from_listing
from kmlic.data.find_layout import require_label_folders
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.read_listing import read_listing
from kmlic.data.reading_options import DEFAULT_READING, Layout, ReadingOptions


def from_path(
    path: str | Path,
    reading: ReadingOptions | None = None,
    *,
    boxes: bool = False,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads own images with their labels from a file or folder of any known layout.

    Args:
        path: the file or folder, see `read_listing`; may be in a store, such as gs://.
        reading: how it is read; the layout is found in its files when None.
        boxes: whether to read the boxes of COCO too, which needs "bbox" in each
            annotation and "height" and "width" of each image.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes.

    Raises:
        ValueError: naming the file, the row (the header of a table is row 1) and the
            rule, such as a path outside the root or an image that does not decode.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for number in range(20):
        ...         label = Path(folder) / ("dog" if number % 2 else "cat")
        ...         label.mkdir(exist_ok=True)
        ...         image = Image.new("RGB", (8, 8), (number, 0, 0))
        ...         image.save(label / f"{number}.png")
        ...     data = from_path(folder, image_size=8, batch_size=2)
        >>> data.labels.names, data.sizes["train"]
        (('cat', 'dog'), 14)
    """
    return build_from_listing(read_listing(path, reading, boxes=boxes), **options)


def from_csv(
    path: str | Path,
    reading: ReadingOptions | None = None,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads a table as `read_csv` does; takes the arguments of `from_path`.

    Example:
        >>> from_csv("labels.csv", image_size=64, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: labels.csv must be a file or folder; there is none.
    """
    return from_path(path, _with_layout(reading, "csv"), **options)


def from_coco(
    path: str | Path,
    reading: ReadingOptions | None = None,
    *,
    boxes: bool = False,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads COCO's JSON as `read_coco` does; takes the arguments of `from_path`.

    Example:
        >>> from_coco("instances.json", image_size=64, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: instances.json must be a file or folder; there is none.
    """
    return from_path(path, _with_layout(reading, "coco"), boxes=boxes, **options)


def from_voc(
    path: str | Path,
    reading: ReadingOptions | None = None,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads Pascal VOC as `read_voc` does; takes the arguments of `from_path`.

    Example:
        >>> from_voc("VOC2007", image_size=64, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: VOC2007 must be a file or folder; there is none.
    """
    return from_path(path, _with_layout(reading, "voc"), **options)


def from_folder(
    path: str | Path,
    reading: ReadingOptions | None = None,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads a folder as `read_folder` does; takes the arguments of `from_path`.

    Without a layout folders are labels, whatever other files the folder holds; folders
    in several levels, one of which must be the label, are refused.

    Example:
        >>> from_folder("gone", image_size=64, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: gone must be a file or folder; there is none.
    """
    layout = reading.layout if reading else None
    check_choice("layout", layout, None, "folders", "tags")
    if layout is None:
        require_label_folders(path)
    return from_path(path, _with_layout(reading, layout or "folders"), **options)


def _with_layout(reading: ReadingOptions | None, layout: Layout) -> ReadingOptions:
    return dataclasses.replace(reading or DEFAULT_READING, layout=layout)
