"""An image of a dataset, as a file or folder lists it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kmlic.data.finding import Finding
from kmlic.data.multi_label_data import Boxes


class ImageRow(NamedTuple):
    """Holds one image as its dataset's file lists it.

    Args:
        row: line of the file, for errors; 0 to name the path instead.
        path: of the image, relative to the dataset's root.
        labels: names of the labels that are present.
        unknown: names of the labels that are neither present nor absent.
        split: "train", "validation", "test", or "" where none is given.
        caption: a text, or "".
        group: images of one group stay in one split; "" is no group.
        boxes: of its labels; for all images or for none.
        problem: the rule that the line breaks, or "".
    """

    row: int
    path: str
    labels: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    split: str = ""
    caption: str = ""
    group: str = ""
    boxes: Boxes | None = None
    problem: str = ""


class Listing(NamedTuple):
    """Holds all images of a dataset and their folder.

    Args:
        rows: one per image.
        source: the file or folder that lists them, for errors.
        root: the folder that their paths are relative to and may not leave.
        label_names: the labels in the order of the source, None if it has no order.
        name: of its format, as `kmlic.datasets.load_dataset` takes it.
        options: of its reader, which decide what the rows are.
        findings: what the reader left out, merged or doubts.
    """

    rows: Sequence[ImageRow]
    source: str | Path
    root: str | Path
    label_names: Sequence[str] | None = None
    name: str = ""
    options: Mapping[str, Any] = {}
    findings: Sequence[Finding] = ()
