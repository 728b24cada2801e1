"""Corrections of labels, as a CSV to edit, and their application to a dataset."""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from kmlic.atomic_write import atomic_write
from kmlic.check_choice import check_choice
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.multi_label_data import Boxes
from kmlic.data.read_text_rows import read_columns
from kmlic.escape_text import escape_undecodable, guard_cell, unguard_cell

STATES = ("present", "absent", "unknown")
_COLUMNS = ("path", "label", "given", "corrected")


@dataclasses.dataclass(frozen=True)
class LabelFix:
    """Holds what one label of one image is, and what it should be.

    Args:
        path: of the image, as its dataset lists it.
        label: its name.
        given: "present", "absent" or "unknown".
        corrected: the same.
        probability: of the label, by a model, 0-1; None if no model was asked.
    """

    path: str
    label: str
    given: str
    corrected: str
    probability: float | None = None


def write_label_fixes(path: str | Path, fixes: Sequence[LabelFix]) -> None:
    """Writes corrections as a CSV to edit, atomically.

    Rows that are removed are not applied, and the column corrected may be changed.

    Args:
        path: the file, with the columns path, label, given, corrected, probability.
        fixes: in the order to look at them.
    """
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow((*_COLUMNS, "probability"))
        for fix in fixes:
            texts = (fix.path, fix.label, fix.given, fix.corrected)
            cells = [guard_cell(escape_undecodable(text)) for text in texts]
            number = "" if fix.probability is None else f"{fix.probability:.3f}"
            writer.writerow((*cells, number))


def apply_label_fixes(listing: Listing, path: str | Path) -> tuple[Listing, int]:
    """Changes the labels of a dataset as a CSV of corrections says.

    Args:
        listing: the dataset, which stays as it is.
        path: the CSV that `write_label_fixes` wrote, edited or not.

    Returns:
        The corrected dataset, and how many of its labels changed. Labels that are
        corrected already do not count.

    Raises:
        ValueError: naming the line that does not fit the dataset.
    """
    images: dict[str, list[int]] = {}
    for index, row in enumerate(listing.rows):
        images.setdefault(row.path, []).append(index)
    names = {
        name
        for row in listing.rows
        for name in (*row.labels, *row.unknown, *row.absent)
    }
    names |= set(listing.label_names or ())
    rows, changed = list(listing.rows), 0
    for line, cells in read_columns(path, _COLUMNS):
        image, label = (unguard_cell(cells[name]) for name in ("path", "label"))
        given, corrected = (cells[name].strip() for name in ("given", "corrected"))
        try:
            check_choice("given", given, *STATES)
            check_choice("corrected", corrected, *STATES)
            if image not in images:
                raise ValueError(f"{image!r} must be an image of {listing.source}.")
            if label not in names:
                raise ValueError(f"{label!r} must be a label of {listing.source}.")
            for index in images[image]:
                state = _state(rows[index], label, listing.unlisted)
                if state not in (given, corrected):
                    raise ValueError(
                        f"{label!r} of {image!r} must be {given} as when the "
                        f"corrections were made; it is {state}."
                    )
                changed += state != corrected
                rows[index] = _change(rows[index], label, corrected, listing.unlisted)
        except ValueError as error:
            raise ValueError(f"{path} line {line}: {error}") from error
    return listing._replace(rows=rows), changed


def _state(row: ImageRow, label: str, unlisted: str) -> str:
    listed = {"present": row.labels, "absent": row.absent, "unknown": row.unknown}
    return next((state for state, own in listed.items() if label in own), unlisted)


def _change(row: ImageRow, label: str, state: str, unlisted: str) -> ImageRow:
    lists = {"labels": row.labels, "absent": row.absent, "unknown": row.unknown}
    lists = {k: tuple(n for n in own if n != label) for k, own in lists.items()}
    if state != unlisted:
        lists["labels" if state == "present" else state] += (label,)
    boxes = row.boxes
    if boxes is not None and state != "present":
        kept = [index for index, name in enumerate(boxes.names) if name != label]
        boxes = Boxes(tuple(boxes.names[i] for i in kept), boxes.corners[kept])
    return row._replace(
        labels=lists["labels"],
        absent=lists["absent"],
        unknown=lists["unknown"],
        boxes=boxes,
    )
