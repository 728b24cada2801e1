"""A dataset of your own images, in the layout that its path shows."""

import os
from pathlib import Path
from typing import Literal, get_args

from kmlic.check_choice import check_choice
from kmlic.data.from_coco import read_coco
from kmlic.data.from_csv import read_csv
from kmlic.data.from_folder import images_below, read_folder, tags_beside
from kmlic.data.from_voc import read_voc
from kmlic.data.image_row import Listing
from kmlic.data.storage import is_file, is_folder, join

Layout = Literal["csv", "coco", "voc", "folders", "tags"]
Difficult = Literal["unknown", "present", "absent"]


def read_listing(
    path: str | Path,
    *,
    layout: Layout | None = None,
    root: str | Path | None = None,
    separator: str | None = None,
    difficult: Difficult = "unknown",
) -> Listing:
    """Lists a dataset's images with their labels, without opening any image.

    Args:
        path: a CSV, TSV or Parquet file, COCO's JSON file, Pascal VOC's folder, or a
            folder of images with one folder per label ("folders") or a text file beside
            each image ("tags").
        layout: which of these; when None, decided by the suffix of a file, VOC's folder
            Annotations or a text file beside the first image.
        root: folder that the paths in a file are relative to; that of the file when
            None.
        separator: between labels; the layout's default when None.
        difficult: how VOC's difficult objects count.

    Raises:
        ValueError: if the layout is unknown, does not take an argument, or is not that
            of the path.

    Example:
        >>> read_listing("labels.csv", layout="xml")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: `layout` must be one of 'csv', ... got layout='xml'.
    """
    layout = layout or _guess(path)
    check_choice("layout", layout, *get_args(Layout))
    if root is not None and layout not in ("csv", "coco"):
        raise ValueError(
            f"`root` must come with a file, not with a folder; got root={str(root)!r} "
            f"for the layout {layout!r}."
        )
    if layout == "csv":
        return read_csv(path, root=root, separator=separator or "|")
    if layout == "coco":
        return read_coco(path, root=root)
    if layout == "voc":
        return read_voc(path, difficult=difficult)
    return read_folder(path, layout=layout, separator=separator)


def _guess(path: str | Path) -> Layout:
    if not is_folder(path):
        return "coco" if os.fspath(path).endswith(".json") else "csv"
    if is_folder(join(path, "Annotations")):
        return "voc"
    images = images_below(path)
    tagged = images and is_file(join(path, tags_beside(images[0])))
    return "tags" if tagged else "folders"
