"""Any dataset of one's own, by what its path looks like."""

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
        path: a CSV, TSV or Parquet file, a JSON file as COCO has it, a folder as Pascal
            VOC has it, or a folder of images with one folder a label ("folders") or a
            text file beside each ("tags").
        layout: which of these; told by the path when None: the suffix of a file, the
            folder Annotations of VOC, a text file beside the first image.
        root: folder that the paths of a file are relative to; its own when None.
        separator: between labels; the layout's own when None.
        difficult: what VOC's difficult objects count as.

    Raises:
        ValueError: if there is no such layout, an argument does not belong to it, or
            the path holds nothing of the kind.

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
