"""A dataset of any layout, written as kmlic's CSV or as COCO's JSON."""

import csv
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kmlic.atomic_write import atomic_write, require_writable
from kmlic.data.check_images import check_images
from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.inspect_rows import inspect_rows
from kmlic.data.multi_label_data import Boxes, SkippedRow
from kmlic.data.storage import join
from kmlic.data.table_cells import CORNERS
from kmlic.escape_text import escape_undecodable

SEPARATOR = "|"
# Labels with these are written as lists in JSON, which need no separator.
_AMBIGUOUS = frozenset(" ,;|[]{}\"'")


def convert_listing(
    listing: Listing,
    output: str | Path,
    *,
    copy_images: str | Path | None = None,
) -> tuple[int, list[Finding]]:
    """Writes the rows of a dataset to a file that kmlic reads to the same rows.

    Images stay where they are. Paths in the file are relative to its folder, or to the
    dataset's own folder if the images are not below the file's; then the file is read
    with that folder as `root`.

    Args:
        listing: from `read_listing`, without errors.
        output: the file: .csv for a table with the columns path and labels, and split,
            group and caption where there are any; .json for COCO's format, which keeps
            boxes and the order of the labels too.
        copy_images: new or empty folder to copy the images to, below that of `output`.

    Returns:
        The number of images written, and what was left out and why.

    Raises:
        ValueError: if nothing can be written, or a folder is not empty.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     row = ImageRow(2, "a.jpg", ("dog", "sofa"), split="train")
        ...     listing = Listing([row], "tags.xml", folder)
        ...     _ = convert_listing(listing, Path(folder) / "labels.csv")
        ...     (Path(folder) / "labels.csv").read_text().split()
        ['path,labels,split', 'a.jpg,dog|sofa,train']
    """
    output = Path(output)
    require_writable(output, suffixes=(".csv", ".json"), inputs=(listing.source,))
    inspected = inspect_rows(listing, check="none")
    rows = [row for row in inspected.images if _is_utf8(row)]
    reason = "its name and labels must be UTF-8 to be written"
    unwritable = [
        SkippedRow(row.row, row.path, reason)
        for row in inspected.images
        if not _is_utf8(row)
    ]
    skipped = [*inspected.skipped, *unwritable]
    bare: list[ImageRow] = []
    if output.suffix == ".csv" and listing.unlisted == "unknown":
        bare = [row for row in rows if not (row.labels or row.absent)]
        rows = [row for row in rows if row.labels or row.absent]
    if not rows:
        lack = inspected.lack
        if unwritable:
            lack = f"{escape_undecodable(unwritable[0].path)}: {reason}"
        raise ValueError(f"{listing.source} must list a usable image; {lack}.")
    root, findings = os.fspath(listing.root), []
    if copy_images is not None:
        rows, lost = _copy(rows, root, Path(copy_images))
        skipped += lost
        root = os.fspath(copy_images)
    files = [join(root, row.path) for row in rows]
    top = os.path.abspath(output.parent)  # noqa: PTH100 - resolve would follow links
    below = os.path.relpath(root, top) if "://" not in root else os.pardir
    if Path(below).parts[:1] == (os.pardir,):
        findings.append(
            Finding(
                "warning",
                "Images outside the folder of the file",
                f"Read the file with --root {root}, write it to a folder above the "
                "images, or copy the images with --copy_images.",
                count=len(rows),
            )
        )
    elif below != os.curdir:
        prefix = Path(below).as_posix()
        rows = [row._replace(path=f"{prefix}/{row.path}") for row in rows]
    findings += [
        *_missing(files if "://" not in root else []),
        Finding(
            "error",
            "Rows that were left out",
            "They break a rule.",
            ("row", "image", "reason"),
            [[str(row.row or "-"), row.path, row.reason] for row in skipped],
        ),
        Finding(
            "warning",
            "Images without a verified label, left out",
            "All their labels are unknown, for which a CSV has no row.",
            ("image",),
            [row.path for row in bare],
        ),
    ]
    if output.suffix == ".json":
        findings += _write_coco(listing, rows, files, output)
    else:
        findings += _write_csv(listing, rows, output)
    return len(rows), [finding for finding in findings if finding.count]


def _missing(files: Sequence[str]) -> Iterator[Finding]:
    missing = [file for file in files if not Path(file).is_file()]
    yield Finding(
        "error" if len(missing) == len(files) else "warning",
        "Images that do not exist",
        "The file names them all the same. Give the folder of the images with --root.",
        ("image",),
        missing,
    )


def _is_utf8(row: ImageRow) -> bool:
    """Returns whether a path and labels, which may be names of files, are UTF-8."""
    texts = (row.path, *row.labels, *row.unknown, *row.absent)
    return all(escape_undecodable(text) == text for text in texts)


def _copy(
    rows: Sequence[ImageRow], root: str, folder: Path
) -> tuple[list[ImageRow], list[SkippedRow]]:
    """Copies the images, all or none, and returns the rows with and without a file."""
    if "://" in root:
        raise ValueError(f"`copy_images` needs images on this machine; got {root}.")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(
            f"`copy_images` must be a new or empty folder; {folder} is there already."
        )
    copied, lost = [], []
    with atomic_write(folder, folder_with=".") as temporary:
        for row in rows:
            source = Path(join(root, row.path))
            if source.is_file():
                target = temporary / os.path.normpath(row.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                copied.append(row._replace(path=Path(row.path).as_posix()))
            else:
                reason = f"{source} must exist; there is no such file"
                lost.append(SkippedRow(row.row, row.path, reason))
        if not copied:
            raise ValueError(f"{lost[0].reason}.")
    return copied, lost


def _write_csv(
    listing: Listing, rows: Sequence[ImageRow], output: Path
) -> Iterator[Finding]:
    optional = [
        name
        for name in ("split", "group", "caption")
        if any(getattr(row, name) for row in rows)
    ]
    for name in {name for row in rows for name in row.labels}:
        if name.startswith("?") and name.strip("?"):
            raise ValueError(
                "labels must not begin with '?', which marks unknown ones in a CSV; "
                f"got {name!r}. Rename it (--rename), or write a .json file."
            )
    boxed = any(row.part for row in rows)
    verified = listing.unlisted == "unknown"
    columns = ["path", *(("LabelName", "Confidence") if verified else ("labels",))]
    with (
        atomic_write(output) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, *optional, *(CORNERS if boxed else ())])
        names = {name for row in rows for name in (*row.labels, *row.unknown)}
        lists = _need_lists(names, any(_number_of_marks(row) > 1 for row in rows))
        for row in rows:
            rest = [getattr(row, name) for name in optional]
            rest += (row.part or [""] * 4) if boxed else []
            if verified:
                marks = [(name, 1) for name in row.labels]
                marks += [(name, 0) for name in row.absent]
                writer.writerows([row.path, *mark, *rest] for mark in marks)
                continue
            labels = [*row.labels, *(f"?{name}" for name in row.unknown)]
            cell = SEPARATOR.join(labels)
            if lists and labels:
                cell = json.dumps(labels, ensure_ascii=False)
            writer.writerow([row.path, cell, *rest])
    unused = [name for name in listing.label_names or () if name not in names]
    yield Finding(
        "warning",
        "Images whose boxes were left out",
        "Only .json keeps them.",
        count=sum(row.boxes is not None for row in rows),
    )
    yield Finding(
        "note",
        "Labels that no image has, left out",
        "Only .json keeps them.",
        ("label",),
        unused,
    )


def _number_of_marks(row: ImageRow) -> int:
    return len(row.labels) + len(row.unknown)


def _need_lists(names: set[str], several: bool) -> bool:
    """Returns whether a reader could take the separator or the names for others."""
    marks = _AMBIGUOUS
    if several:  # then the separator is in the file, and nothing else is one
        marks = _AMBIGUOUS - frozenset(" ,;")
    return any(not marks.isdisjoint(name) for name in names)


def _write_coco(
    listing: Listing, rows: Sequence[ImageRow], files: Sequence[str], output: Path
) -> Iterator[Finding]:
    found = {
        name
        for row in rows
        for name in (
            *row.labels,
            *row.unknown,
            *row.absent,
            *(row.boxes.names if row.boxes else ()),
        )
    }
    own = tuple(listing.label_names or ())
    names = [*own, *sorted(found - set(own))]
    number_of = {name: number for number, name in enumerate(names, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    boxed = [
        file for row, file in zip(rows, files, strict=True) if row.boxes is not None
    ]
    headers = (check.header for check in check_images(boxed, depth="header"))
    unsized = 0
    for number, row in enumerate(rows, start=1):
        others = {
            "split": row.split,
            "group": row.group,
            "caption": row.caption,
            "unknown": row.unknown,
            "absent": row.absent,
        }
        image = {"id": number, "file_name": row.path}
        image |= {name: value for name, value in others.items() if value}
        marks: list[dict[str, Any]] = []
        if row.boxes is not None:
            header = next(headers)
            unsized += header is None
            if header is not None:
                image |= {"width": header.width, "height": header.height}
                marks = _boxes(row.boxes, header.width, header.height)
        named = {mark["name"] for mark in marks}
        marks += [{"name": name} for name in row.labels if name not in named]
        for mark in marks:
            category = number_of[mark.pop("name")]
            own_ids = {"id": len(annotations) + 1, "image_id": number}
            annotations.append({**own_ids, "category_id": category, **mark})
        images.append(image)
    content = {
        "unlisted": listing.unlisted,
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for name, i in number_of.items()],
    }
    with atomic_write(output) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    yield Finding(
        "warning",
        "Images whose boxes were left out",
        "Their files cannot be opened to read their sizes.",
        count=unsized,
    )


def _boxes(boxes: Boxes, width: int, height: int) -> list[dict[str, Any]]:
    corners = boxes.corners.astype(float) * np.array([height, width, height, width])
    return [
        {"name": name, "bbox": [left, top, right - left, bottom - top]}
        for name, (top, left, bottom, right) in zip(
            boxes.names, corners.tolist(), strict=True
        )
    ]
