"""What the columns of a table hold."""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kmlic.data.find_images import has_image_suffix
from kmlic.data.finding import Finding
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.split_name import split_name
from kmlic.data.table_cells import BLANK, CORNERS, MARKS, cell_text, column_key

# Names of columns, the most telling first, in lower case with underscores.
_PATH = (
    *("path", "image_path", "img_path", "file_path", "filepath", "file_name"),
    *("filename", "fname", "image", "img", "image_file", "image_name", "img_name"),
    *("image_index", "image_id", "imageid", "img_id", "file"),
)
_ID = "id"
SEVERAL = (
    *("labels", "tags", "finding_labels", "attribute_ids", "label_names"),
    *("categories", "classes", "attributes", "choices"),
)
_ONE = ("labelname", "label_name", "choice", "label", "tag", "category", "class")
_SPLIT = ("split", "subset", "ml_use")
_VERIFIED, _CONFIDENCE = "labelname", "confidence"  # of Open Images
_INDEX = re.compile(r"|unnamed:.*|__index_level_\d+__|level_0|index")

Cells = Sequence[Any]  # texts, numbers, None, or lists of texts


class TableColumns(NamedTuple):
    """Holds which cell of a row is what.

    Args:
        header: names of the columns; empty if the table has no header.
        path: of the image.
        labels: the column, or all from one on, that lists labels; None for `marks`.
        marks: those of one label each.
        split: word for the split.
        is_valid: whether an image is in the validation split, else in the training one.
        caption: text of the image.
        group: images of one group stay in one split.
        confidence: whether a label is present, in Open Images.
        corners: of the box to cut out of an image; none unless all four are there.
        summary: how the table is read.
        findings: about the columns.
    """

    header: Sequence[str]
    path: int
    labels: int | slice | None = None
    marks: tuple[int, ...] = ()
    split: int | None = None
    is_valid: int | None = None
    caption: int | None = None
    group: int | None = None
    confidence: int | None = None
    corners: tuple[int, ...] = ()
    summary: str = ""
    findings: tuple[Finding, ...] = ()


def headerless_columns(first: Sequence[str]) -> TableColumns:
    """Returns where a row holds its split, its image and, behind it, its labels.

    Example:
        >>> columns = headerless_columns(["TEST", "gs://photos/1.jpg", "dog"])
        >>> columns.split, columns.path
        (0, 1)
    """
    path = next(i for i, cell in enumerate(first) if has_image_suffix(cell))
    split = next((i for i in range(path) if split_name(first[i]) is not None), None)
    return TableColumns(
        (),
        path,
        slice(path + 1, None),
        split=split,
        summary=f"a table without a header: images in column {path + 1}, labels behind",
    )


def choose_columns(
    source: str | Path,
    header: Sequence[str],
    looked_at: Sequence[tuple[int, Cells]],
    reading: ReadingOptions,
) -> TableColumns:
    """Tells by their names, or else their cells, what the columns of a table hold.

    Args:
        source: where the table comes from, for errors.
        header: names of the columns.
        looked_at: the first rows.
        reading: the columns that are named with `path_column`, `labels_column` and
            `group_column`.

    Raises:
        ValueError: if a column is named twice or missing, or none holds images.
    """
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        raise ValueError(
            f"{source} row 1: a column must be named once; got {shorten_header(named)}."
        )
    keys = [column_key(name) for name in header]
    path, labels, group = (
        _asked_for(source, header, option, getattr(reading, option))
        for option in ("path_column", "labels_column", "group_column")
    )
    if path is None:
        path = _choose_path(source, header, looked_at)
    ignored = {i for i, key in enumerate(keys) if key in CORNERS}
    index = {i for i, key in enumerate(keys) if _INDEX.fullmatch(key)} - {path}
    names_of_images = {i for i, key in enumerate(keys) if key in (*_PATH, _ID)}
    split, caption = _first(keys, _SPLIT), _first(keys, ("caption",))
    is_valid = _first(keys, ("is_valid",)) if split is None else None
    reserved = {path, split, caption, is_valid, group, *index, *names_of_images}
    others = [i for i in range(len(keys)) if i not in reserved | ignored]
    marks = [i for i in others if _holds_marks(looked_at, i)]
    findings = []
    if labels is None:
        labels = _first(keys, (*SEVERAL, *_ONE))
        if labels in reserved or (labels in marks and len(marks) > 1):
            labels = None
    if group is None and (group := _first(keys, ("group",))) is not None:
        if labels is None and group in marks and len(marks) > 1:
            findings.append(_group_as_label(header[group]))
            group = None
        else:
            others = [i for i in others if i != group]
    if labels == path:
        raise ValueError(
            f"{source} row 1: images and labels must be in two columns; got "
            f"{header[path]!r} for both."
        )
    verified = labels is not None and keys[labels] == _VERIFIED
    confidence = _first(keys, (_CONFIDENCE,)) if verified else None
    used = {path, labels, split, is_valid, caption, group, confidence, *ignored}
    used |= set(others) if labels is None else set()
    if left_out := [name for i, name in enumerate(header) if i not in used]:
        findings.append(columns_left_out(left_out))
    return TableColumns(
        header,
        path,
        labels,
        () if labels is not None else tuple(others),
        split,
        is_valid,
        caption,
        group,
        confidence,
        tuple(map(keys.index, CORNERS)) if set(CORNERS) <= set(keys) else (),
        f"a table: images in the column {header[path]}, ",
        tuple(findings),
    )


def _first(keys: Sequence[str], wanted: Iterable[str]) -> int | None:
    return next((keys.index(name) for name in wanted if name in keys), None)


def _choose_path(
    source: str | Path, header: Sequence[str], looked_at: Sequence[tuple[int, Cells]]
) -> int:
    """Returns the column of images: by its name, by its cells, or the one named id."""
    keys = [column_key(name) for name in header]
    by_cells = _path_by_cells(header, looked_at)
    for path in (_first(keys, _PATH), by_cells, _first(keys, (_ID,))):
        if path is not None:
            return path
    raise ValueError(
        f"{source} row 1: a column must name the images, such as path, filename or "
        f"image; the columns are {shorten_header(header)}. Name it with --path_column."
    )


def _asked_for(
    source: str | Path, header: Sequence[str], option: str, name: str | None
) -> int | None:
    """Returns the column that an option names, None if it names none."""
    if name is None or name in header:
        return None if name is None else header.index(name)
    keys = [column_key(own) for own in header]
    if column_key(name) in keys:
        return keys.index(column_key(name))
    named = [own for own in header if own]
    raise ValueError(
        f"{source} row 1: `{option}` must name a column; there is no column "
        f"{name!r}{did_you_mean(name, named)} The columns are {shorten_header(named)}."
    )


def _holds_marks(looked_at: Sequence[tuple[int, Cells]], column: int) -> bool:
    cells = {cell_text(row[column]) for _, row in looked_at if column < len(row)}
    marks = {MARKS.get(cell) for cell in cells} - {BLANK}
    return bool(marks) and None not in marks


def _group_as_label(name: str) -> Finding:
    return Finding(
        "warning",
        "A column named group that is read as a label",
        "It holds 0 and 1 only, as the labels do. With --group_column "
        f"{name} its images stay in one split.",
        count=1,
    )


def columns_left_out(names: Sequence[str]) -> Finding:
    """Returns a note on the columns of a table that are not used."""
    shown = ", ".join(repr(name) for name in names[:10])
    return Finding(
        "note",
        "Columns that are not used",
        f"{shown}{', ...' * (len(names) > 10)}. --path_column, --labels_column and "
        "--group_column choose columns.",
        ("column",),
        names,
    )


def _path_by_cells(
    header: Sequence[str], looked_at: Sequence[tuple[int, Cells]]
) -> int | None:
    """Returns the first column most cells of which end as image files do."""
    for column in range(len(header)):
        cells = [cell_text(row[column]) for _, row in looked_at if column < len(row)]
        if cells and sum(map(has_image_suffix, cells)) > len(cells) / 2:
            return column
    return None


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """Returns "; did you mean 'x'?" for the name most like another, or ".".

    Example:
        >>> did_you_mean("labels", ["id", "Label"]), did_you_mean("labels", ["id"])
        ("; did you mean 'Label'?", '.')
    """
    close = difflib.get_close_matches(name.lower(), [n.lower() for n in names], 1, 0.5)
    found = next((n for n in names if close and n.lower() == close[0]), None)
    return f"; did you mean {found!r}?" if found else "."


def shorten_header(header: Sequence[str]) -> str:
    """Returns the first ten names of columns.

    Example:
        >>> shorten_header(["path", "", "labels"])
        '[path, labels]'
    """
    header = [name for name in header if name]
    shown = ", ".join(header[:10])
    return f"[{shown}, ...]" if len(header) > 10 else f"[{shown}]"
