"""The images of a dataset with their labels, in the layout that its path shows."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

from kmlic.data.find_layout import find_layout
from kmlic.data.image_row import Listing
from kmlic.data.judge_labels import judge_labels
from kmlic.data.read_coco import read_coco
from kmlic.data.read_csv import read_csv
from kmlic.data.read_cvat import read_cvat
from kmlic.data.read_fiftyone import read_fiftyone
from kmlic.data.read_folder import read_folder
from kmlic.data.read_json_lines import read_json_lines
from kmlic.data.read_label_names import read_label_names
from kmlic.data.read_label_studio import read_label_studio
from kmlic.data.read_tables import read_tables
from kmlic.data.read_voc import read_voc
from kmlic.data.reading_options import DEFAULT_READING, Layout, ReadingOptions
from kmlic.data.require_kind import require_kind
from kmlic.data.storage import is_file, is_folder
from kmlic.data.tidy_labels import tidy_labels

# Name of such a dataset, as `kmlic.datasets.load_dataset` takes it.
OWN_IMAGES = "own_images"

_READERS: dict[Layout, Callable[[str | Path, ReadingOptions], Listing]] = {
    "csv": read_csv,
    "json_lines": read_json_lines,
    "coco": read_coco,
    "voc": read_voc,
    "cvat": read_cvat,
    "label_studio": read_label_studio,
    "fiftyone": read_fiftyone,
    "tables": read_tables,
    "folders": read_folder,
    "tags": read_folder,
}
_FOLDERS = ("voc", "tables", "folders", "tags")


def read_listing(
    path: str | Path, reading: ReadingOptions | None = None, *, boxes: bool = False
) -> Listing:
    """Lists a dataset's images with their labels, without opening any image.

    Args:
        path: a file or folder in one of the layouts of `ReadingOptions`.
        reading: how it is read; the layout is found in its files when None.
        boxes: whether to read the boxes of COCO too.

    Raises:
        ValueError: if the layout does not take an option, or is not that of the path.

    Example:
        >>> read_listing("gone.csv")
        Traceback (most recent call last):
            ...
        ValueError: gone.csv must be a file or folder; there is none.
    """
    reading = reading or DEFAULT_READING
    if not is_file(path) and not is_folder(path):
        raise ValueError(f"{path} must be a file or folder; there is none.")
    require_kind(path)
    layout, file = reading.layout, ""
    if layout is None or (is_folder(path) and layout not in _FOLDERS):
        found = find_layout(path)
        if found.path != path:
            path, file = found.path, f"{Path(found.path).name}: "
        layout = layout or found.layout
    if reading.root is not None and layout in _FOLDERS:
        raise ValueError(
            f"`root` must come with a file, not with a folder; got "
            f"root={reading.root!r} for the layout {layout!r}."
        )
    if boxes and layout != "coco":
        raise ValueError(
            f'`boxes` must be False unless the layout is "coco"; got {layout!r}.'
        )
    chosen = dataclasses.replace(reading, layout=layout)
    listing = (
        read_coco(path, chosen, boxes=True) if boxes else _READERS[layout](path, chosen)
    )
    listing = complete_listing(listing, reading)
    how = "" if reading.layout else " (--layout reads it otherwise)"
    return listing._replace(
        name=OWN_IMAGES,
        options={"reading": chosen.changed, **({"boxes": True} if boxes else {})},
        summary=f"{file}{listing.summary}{how}",
    )


def complete_listing(listing: Listing, reading: ReadingOptions) -> Listing:
    """Renames, merges and leaves out labels as asked, and judges those that stay.

    Args:
        listing: as its reader returned it.
        reading: what is asked.

    Raises:
        ValueError: if the files that the options name cannot be read.
    """
    if reading.label_names is not None:
        names = read_label_names(reading.label_names)
        listing = listing._replace(label_names=names)
    listing = tidy_labels(listing, reading)
    return listing._replace(findings=(*listing.findings, *judge_labels(listing)))


def read_with_boxes(path: str | Path, reading: ReadingOptions) -> Listing:
    """Lists a dataset's images as `read_listing` does, with boxes if all have them."""
    listing = read_listing(path, reading)
    if listing.options["reading"].get("layout") == "coco":
        with contextlib.suppress(ValueError):
            return read_listing(path, reading, boxes=True)
    return listing
