"""An image of a dataset, as a file or folder lists it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from kmlic.data.finding import Finding
from kmlic.data.multi_label_data import Boxes

# Rows of a finding that an error names; `kmlic data check` names all.
_SHOWN_ROWS = 5


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
        absent: names of the labels that are absent, where unlisted ones are unknown.
        part: left, top, right and bottom in pixels of what `kmlic train` cuts out of
            the image; None for all of it.
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
    absent: tuple[str, ...] = ()
    part: tuple[int, int, int, int] | None = None


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
        unlisted: what a label is that a row does not list.
        summary: how the files were read, in one line.
    """

    rows: Sequence[ImageRow]
    source: str | Path
    root: str | Path
    label_names: Sequence[str] | None = None
    name: str = ""
    options: Mapping[str, Any] = {}
    findings: Sequence[Finding] = ()
    unlisted: Literal["absent", "unknown"] = "absent"
    summary: str = ""

    def require_no_errors(self) -> "Listing":
        """Returns the listing, or raises an error if a finding is an error.

        Raises:
            ValueError: with what was found and the first rows of it.

        Example:
            >>> found = Finding("error", "Boxes", "Export labels.", rows=[["0 1"]])
            >>> Listing([], "a.csv", ".", findings=[found]).require_no_errors()
            Traceback (most recent call last):
                ...
            ValueError: a.csv must be corrected first. Boxes: 1 (0 1). Export labels.
        """
        errors = [finding for finding in self.findings if finding.level == "error"]
        if not errors:
            return self
        described = []
        for error in errors:
            shown = "; ".join(" | ".join(row) for row in error.rows[:_SHOWN_ROWS])
            more = "; ..." if len(error.rows) > _SHOWN_ROWS else ""
            rows = f" ({shown}{more})" if shown else ""
            described.append(f"{error.title}: {error.count:,}{rows}. {error.text}")
        raise ValueError(
            f"{self.source} must be corrected first. {' '.join(described)}"
        )
