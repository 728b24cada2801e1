"""The images of a dataset with their labels, in the layout that its path shows."""

import contextlib
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

from kmlic.check_choice import check_choice
from kmlic.data.image_row import Listing
from kmlic.data.judge_labels import judge_labels
from kmlic.data.read_coco import read_coco
from kmlic.data.read_csv import read_csv
from kmlic.data.read_folder import images_below, read_folder, tags_beside
from kmlic.data.read_label_names import read_label_names
from kmlic.data.read_voc import read_voc
from kmlic.data.reading_options import DEFAULT_READING, Layout, ReadingOptions
from kmlic.data.storage import is_file, is_folder, join
from kmlic.data.tidy_labels import tidy_labels

# Name of such a dataset, as `kmlic.datasets.load_dataset` takes it.
OWN_IMAGES = "own_images"

_READERS: dict[Layout, Callable[[str | Path, ReadingOptions], Listing]] = {
    "csv": read_csv,
    "coco": read_coco,
    "voc": read_voc,
    "folders": read_folder,
    "tags": read_folder,
}


def read_listing(
    path: str | Path, reading: ReadingOptions | None = None, *, boxes: bool = False
) -> Listing:
    """Lists a dataset's images with their labels, without opening any image.

    Args:
        path: a file or folder in one of the layouts of `ReadingOptions`.
        reading: how it is read; the layout is found in its files when None.
        boxes: whether to read the boxes of COCO too.

    Raises:
        ValueError: if the layout is unknown, does not take an option, or is not that
            of the path.

    Example:
        >>> read_listing("gone.csv")
        Traceback (most recent call last):
            ...
        ValueError: gone.csv must be a CSV file; there is no such file.
    """
    reading = reading or DEFAULT_READING
    path = _file_inside(path, reading.layout)
    layout = reading.layout or _guess(path)
    check_choice("layout", layout, *_READERS)
    if reading.root is not None and layout in ("voc", "folders", "tags"):
        raise ValueError(
            f"`root` must come with a file, not with a folder; got "
            f"root={reading.root!r} for the layout {layout!r}."
        )
    reading = dataclasses.replace(reading, layout=layout)
    if boxes and layout != "coco":
        raise ValueError(
            f'`boxes` must be False unless the layout is "coco"; got {layout!r}.'
        )
    listing = (
        read_coco(path, reading, boxes=True)
        if boxes
        else _READERS[layout](path, reading)
    )
    if reading.label_names is not None:
        names = read_label_names(reading.label_names)
        listing = listing._replace(label_names=names)
    listing = tidy_labels(listing, reading)
    findings = (*listing.findings, *judge_labels(listing))
    options = {"reading": reading.changed, **({"boxes": True} if boxes else {})}
    return listing._replace(name=OWN_IMAGES, options=options, findings=findings)


def read_with_boxes(path: str | Path, reading: ReadingOptions) -> Listing:
    """Lists a dataset's images as `read_listing` does, with boxes if all have them."""
    listing = read_listing(path, reading)
    if listing.options["reading"].get("layout") == "coco":
        with contextlib.suppress(ValueError):
            return read_listing(path, reading, boxes=True)
    return listing


def _file_inside(path: str | Path, layout: Layout | None) -> str | Path:
    """Returns the table or COCO file of a folder that holds one of the usual name."""
    for name, own in (("labels.csv", "csv"), ("labels.json", "coco")):
        if layout in (None, own) and is_folder(path) and is_file(join(path, name)):
            return join(path, name)
    return path


def _guess(path: str | Path) -> Layout:
    if not is_folder(path):
        return "coco" if os.fspath(path).endswith(".json") else "csv"
    if is_folder(join(path, "Annotations")):
        return "voc"
    images = images_below(path)
    tagged = images and is_file(join(path, tags_beside(images[0])))
    return "tags" if tagged else "folders"
