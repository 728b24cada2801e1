"""The images and labels in the rows of a table."""

import itertools
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path

from kmlic.data.find_images import FoundImages, find_images, has_image_suffix
from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.split_name import split_name
from kmlic.data.table_cells import ABSENT, MARKS, PRESENT, Box, cell_text, read_box
from kmlic.data.table_columns import (
    Cells,
    TableColumns,
    choose_columns,
    headerless_columns,
    shorten_header,
)
from kmlic.data.table_labels import LabelReader, TableLabels, make_label_reader

_LOOKED_AT = 1000
_SHOWN = 1000
# Share of rows with too many cells from which labels are not quoted.
_FEW = 0.1


def read_table(
    source: str | Path,
    root: str | Path,
    rows: Iterable[tuple[int, Cells]],
    reading: ReadingOptions,
) -> Listing:
    """Reads the rows of a table; an image that several rows list has all their labels.

    Args:
        source: where the table comes from, for errors.
        root: folder that its paths are relative to.
        rows: line number and cells of each row. The first is the header, unless one of
            its cells ends as image files do: then it is a row of a split, a path and
            labels, or of a path and labels.
        reading: see `ReadingOptions`.

    Raises:
        ValueError: naming the source, if no column holds images or labels.
    """
    rows = iter(rows)
    line, first = next(rows, (1, ()))
    header = [cell_text(cell) for cell in first]
    if any(map(has_image_suffix, header)):
        columns = headerless_columns(header)
        rows = itertools.chain([(line, first)], rows)
    else:
        looked_at = list(itertools.islice(rows, _LOOKED_AT))
        columns = choose_columns(source, header, looked_at, reading)
        rows = itertools.chain(looked_at, rows)
    images = _Images(columns)
    labels = make_label_reader(source, columns, reading)
    for line, cells in rows:
        images.add(line, cells, labels)
    given = labels.finish(images.lines)
    found = find_images(images.names, root, suffix=reading.suffix)
    same = _same_images(found)
    for index, others in same.items():
        images.join(index, others, given)
    repeated = {index for others in same.values() for index in others}
    listed = [
        ImageRow(
            images.lines[i],
            found.paths[i],
            given.present[i],
            given.unknown[i],
            images.splits.get(i, ""),
            images.captions.get(i, ""),
            images.groups.get(i, ""),
            problem=images.problems.get(i)
            or given.problems.get(i)
            or found.problems.get(i, ""),
            absent=given.absent[i] if given.absent else (),
            part=images.parts.get(i),
        )
        for i in range(len(images.names))
        if i not in repeated
    ]
    findings = [*columns.findings, *images.findings(), *given.findings]
    return Listing(
        listed,
        source,
        root,
        given.label_names,
        findings=[*findings, *found.findings],
        unlisted="unknown" if given.absent else "absent",
        summary=f"{columns.summary}{given.summary}",
    )


def _same_images(found: FoundImages) -> dict[int, list[int]]:
    """Returns the index of an image to those of its path's other spellings."""
    first: dict[str, int] = {}
    same: dict[int, list[int]] = {}
    for index, path in enumerate(found.paths):
        if path and index not in found.problems:
            known = first.setdefault(posixpath.normpath(path), index)
            if known != index:
                same.setdefault(known, []).append(index)
    return same


class _Images:
    """Collects what rows say about their images, apart from labels."""

    def __init__(self, columns: TableColumns):
        self._columns = columns
        self._index: dict[str, int] = {}
        self._again = bytearray()  # 1 for an image in several rows
        self._lines: dict[int, list[int]] = {}
        self.names: list[str] = []
        self.lines: list[int] = []
        self.splits: dict[int, str] = {}
        self.captions: dict[int, str] = {}
        self.groups: dict[int, str] = {}
        self.parts: dict[int, Box] = {}
        self.problems: dict[int, str] = {}
        self._too_long: list[list[str]] = []
        self._splits_given = 0
        self._strange_splits: list[list[str]] = []

    def add(self, line: int, cells: Cells, labels: LabelReader) -> None:
        columns = self._columns
        name = cell_text(cells[columns.path]) if columns.path < len(cells) else ""
        index = len(self.names)
        if name:
            index = self._index.setdefault(name, index)
        if index < len(self.names):
            self._again[index] = 1
            if index in self._lines or len(self._lines) < _SHOWN:
                own = self._lines.setdefault(index, [self.lines[index]])
                own.append(line)
        else:
            self.names.append(name)
            self.lines.append(line)
            self._again.append(0)
        try:
            if len(cells) != len(columns.header) and columns.header:
                cells = self._fitting(line, cells)
            self._add_split(index, line, cells)
            corners = [cells[column] for column in columns.corners]
            if any(map(cell_text, corners)):
                self._set_part(index, read_box(corners))
            for column, texts in (
                (columns.caption, self.captions),
                (columns.group, self.groups),
            ):
                if column is not None and (text := cell_text(cells[column])):
                    texts.setdefault(index, text)
        except ValueError as error:
            self.problems.setdefault(index, str(error))
            cells = ()
        labels.add(index, cells)

    def join(self, index: int, others: Sequence[int], given: TableLabels) -> None:
        """Adds what the rows of other spellings of a path say about its image."""
        members = (index, *others)
        self._again[index] = 1
        lines = [self._lines.get(i, [self.lines[i]]) for i in members]
        self._lines[index] = sorted(itertools.chain(*lines))
        for texts in (self.captions, self.groups, self.problems, given.problems):
            known = [texts[i] for i in members if i in texts]
            if known:
                texts[index] = known[0]
        for other in others:
            self._again[other] = 0
            self._lines.pop(other, None)
            try:
                self._set_split(index, self.splits.get(other, ""))
                if other in self.parts:
                    self._set_part(index, self.parts[other])
            except ValueError as error:
                self.problems.setdefault(index, str(error))
        given.join(members)

    def findings(self) -> list[Finding]:
        count = self._again.count(1)
        too_long, strange = self._too_long, self._strange_splits
        if len(too_long) <= _FEW * len(self.names):  # each is a fault of its row
            too_long = []
        if len(strange) * 2 <= self._splits_given:  # else the column is another one
            strange = []
        found = [
            Finding(
                "note",
                "Images in several rows",
                "An image has the labels of all its rows.",
                ("image", "rows"),
                [
                    [self.names[index], ", ".join(map(str, lines))]
                    for index, lines in self._lines.items()
                ],
                count=count,
            ),
            Finding(
                "error",
                "Rows with more cells than the header",
                "Their labels would be lost. Put quotes around a cell with a comma, or "
                "another separator between labels, such as '|'.",
                ("row", "image"),
                too_long,
            ),
            Finding(
                "error",
                "Splits that are not train, validation or test",
                "Most rows have such a word, and would not be used. Write train, "
                "validation or test, or rename the column.",
                ("row", "split"),
                strange,
            ),
        ]
        return [finding for finding in found if finding.count]

    def _fitting(self, line: int, cells: Cells) -> Cells:
        header = self._columns.header
        if len(cells) > len(header) and not any(map(cell_text, cells[len(header) :])):
            return cells[: len(header)]
        if len(cells) > len(header):
            self._too_long.append([str(line), cell_text(cells[self._columns.path])])
        raise ValueError(
            f"a row must have {len(header)} cells {shorten_header(header)}; got "
            f"{len(cells)}. Put quotes around a cell with a comma"
        )

    def _add_split(self, index: int, line: int, cells: Cells) -> None:
        columns = self._columns
        split: str | None = ""
        if columns.split is not None and columns.split < len(cells):
            word = cell_text(cells[columns.split])
            split = split_name(word)
            self._splits_given += word != ""
            if split is None:
                self._strange_splits.append([str(line), word])
                raise ValueError(
                    f"split must be one of train, validation and test; got {word!r}"
                )
        elif columns.is_valid is not None:
            mark = MARKS.get(cell_text(cells[columns.is_valid]))
            if mark not in (PRESENT, ABSENT):
                raise ValueError(
                    f"is_valid must be True or False; got {cells[columns.is_valid]!r}"
                )
            split = "validation" if mark == PRESENT else "train"
        self._set_split(index, split)

    def _set_part(self, index: int, part: Box) -> None:
        if self.parts.setdefault(index, part) != part:
            raise ValueError(
                f"an image must have one box; got {self.parts[index]} and {part}. "
                "Leave out the columns x1, y1, x2 and y2 to use complete images"
            )

    def _set_split(self, index: int, split: str | None) -> None:
        if split and self.splits.setdefault(index, split) != split:
            raise ValueError(
                f"an image must be in one split; got {self.splits[index]} and {split}"
            )
