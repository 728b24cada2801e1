"""The labels in the columns of a table."""

import ast
import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from kmlic.count_noun import count_noun
from kmlic.data.find_separator import DEFAULT_SEPARATOR, find_separator
from kmlic.data.finding import Finding
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.table_cells import (
    ABSENT,
    BLANK,
    MARKS,
    PRESENT,
    UNSURE,
    cell_text,
    column_key,
)
from kmlic.data.table_columns import (
    SEVERAL,
    Cells,
    TableColumns,
    columns_left_out,
    did_you_mean,
    shorten_header,
)

_NO_FINDING = "No Finding"
# Share of other cells from which a column does not hold marks of a label.
_OTHER_CELLS = 0.5
_MAX_LITERAL = 100_000
_GLUED = re.compile(r"(['\"])\s+(?=['\"])")  # as NumPy prints arrays of texts

_WORDS = frozenset(("yes", "no", "y", "n", "x"))
_NUMBERED = re.compile(r"(label|tag|class|category)[\s_.-]*\d+")

_Names = tuple[str, ...]


class TableLabels(NamedTuple):
    """Holds the labels of each image."""

    present: list[_Names]
    unknown: list[_Names]
    problems: dict[int, str]
    summary: str
    findings: Sequence[Finding] = ()
    label_names: _Names | None = None
    absent: list[_Names] | None = None

    def join(self, members: Sequence[int]) -> None:
        """Adds the labels of several indices at the first of them."""
        first = members[0]
        present = dict.fromkeys(name for i in members for name in self.present[i])
        for rows in (self.unknown, self.absent):
            if rows:
                names = dict.fromkeys(name for i in members for name in rows[i])
                both = next((name for name in names if name in present), None)
                if rows is self.absent and both is not None:
                    self.problems.setdefault(
                        first, f"the label {both!r} must be 1 or 0; rows give both"
                    )
                rows[first] = tuple(name for name in names if name not in present)
        self.present[first] = tuple(present)


class LabelReader(Protocol):
    """Collects the labels of images row by row."""

    def add(self, index: int, cells: Cells) -> None:
        """Adds a row of an image; without cells if the row breaks a rule."""

    def finish(self, lines: Sequence[int]) -> TableLabels:
        """Returns the labels of all images, which are in these lines."""
        ...


def make_label_reader(
    source: str | Path, columns: TableColumns, reading: ReadingOptions
) -> LabelReader:
    """Returns what reads the labels in the columns of a table."""
    if columns.confidence is not None:
        return _VerifiedLabels(columns)
    if columns.labels is not None:
        return _ListedLabels(columns, reading)
    return _MarkedLabels(source, columns, reading)


class _ListedLabels:
    """Reads a column that lists the labels of an image, or one of them per row."""

    def __init__(self, columns: TableColumns, reading: ReadingOptions):
        self._column: Any = columns.labels
        column = columns.labels
        self._name = columns.header[column] if isinstance(column, int) else ""
        self._separator = reading.separator
        self._cells: list[Any] = []
        self._parsed: dict[str, tuple[_Names, _Names] | str] = {}
        self._with_empty: set[str] = set()

    def add(self, index: int, cells: Cells) -> None:
        cell = cells[self._column] if len(cells) else ""
        if isinstance(self._column, slice):
            named = [text for text in map(cell_text, cell) if text]
            cell = named[0] if len(named) == 1 else named
        if isinstance(cell, list | tuple):
            cell = tuple(sys.intern(cell_text(each)) for each in cell)
        else:
            cell = sys.intern(cell_text(cell))
        if index == len(self._cells):
            self._cells.append(cell)
        elif isinstance(self._cells[index], list):
            self._cells[index].append(cell)
        else:
            self._cells[index] = [self._cells[index], cell]

    def finish(self, lines: Sequence[int]) -> TableLabels:
        texts = {cell for cell in self._flat() if isinstance(cell, str)}
        plain = [text for text in texts if _as_list(text) is None]
        findings = []
        separator = self._separator
        if separator is None:
            spaces = column_key(self._name) in SEVERAL
            separator = find_separator(plain, spaces=spaces)
            findings += self._doubts(plain, separator)
        separator = separator or DEFAULT_SEPARATOR
        present, unknown, problems = [], [], {}
        healthy = 0
        for index, cell in enumerate(self._cells):
            try:
                yes, unsure = self._read(cell, separator)
            except ValueError as error:
                problems[index] = str(error)
                yes, unsure = (), ()
            if _NO_FINDING in yes:
                healthy += 1
                yes = tuple(name for name in yes if name != _NO_FINDING)
            present.append(yes)
            unknown.append(unsure)
        with_empty = sum(cell in self._with_empty for cell in self._flat())
        self._cells.clear()
        if with_empty:
            findings.append(
                Finding(
                    "note",
                    "Rows with empty labels between separators",
                    f"Nothing stands before, behind or between some {separator!r}. The "
                    "empty labels were left out.",
                    count=with_empty,
                )
            )
        if healthy:
            findings.append(
                Finding(
                    "note",
                    f"Images labelled {_NO_FINDING}",
                    "They count as images without labels.",
                    count=healthy,
                )
            )
        summary = f"labels in the column {self._name}" if self._name else ""
        if any(separator in text for text in plain):
            summary += f" separated by {separator!r}"
        return TableLabels(present, unknown, problems, summary, findings)

    def _flat(self) -> Iterator[Any]:
        for cell in self._cells:
            if isinstance(cell, list):
                yield from cell
            else:
                yield cell

    def _doubts(self, cells: Sequence[str], separator: str | None) -> list[Finding]:
        if separator == " ":
            return [
                Finding(
                    "warning",
                    "Labels separated by spaces",
                    f"Words of the column {self._name} are taken as labels. If a label "
                    "may have several words, pass another --separator, such as '|'.",
                    count=sum(" " in cell for cell in cells),
                )
            ]
        if separator is not None and any(separator in cell for cell in cells):
            return []
        strange = sorted(cell for cell in cells if re.search(r"[,;{\[]", cell))
        if not strange:
            return []
        return [
            Finding(
                "error",
                "Labels that may be several in one cell",
                "Each would be one label of its own. Pass --separator with what "
                "separates labels, such as ','; or '|' if these are names of labels.",
                ("cell",),
                strange,
            )
        ]

    def _read(self, cell: Any, separator: str) -> tuple[_Names, _Names]:
        if isinstance(cell, list):
            pairs = [self._read(each, separator) for each in cell]
            present = tuple(dict.fromkeys(n for yes, _ in pairs for n in yes))
            unknown = {n: 1 for _, unsure in pairs for n in unsure if n not in present}
            return present, tuple(unknown)
        if isinstance(cell, tuple):
            return self._sort(cell, cell)
        if cell not in self._parsed:
            listed = _as_list(cell)
            names = cell.split(separator) if listed is None else listed
            names = [name.strip() for name in names]
            if listed is None and "" in names:
                if cell:
                    self._with_empty.add(cell)
                names = list(filter(None, names))
            try:
                self._parsed[cell] = self._sort(names, cell)
            except ValueError as error:
                self._parsed[cell] = str(error)
        parsed = self._parsed[cell]
        if isinstance(parsed, str):
            raise ValueError(parsed)
        return parsed

    def _sort(self, names: Sequence[str], cell: Any) -> tuple[_Names, _Names]:
        if not all(names):
            raise ValueError(f"labels must not be empty; got {cell!r}")
        present, unknown = [], []
        both = next((n for n in names if f"?{n}" in names and n.strip("?")), None)
        if both is not None:
            raise ValueError(
                f"a label must be present or unknown; got {both!r} and {'?' + both!r}"
            )
        for name in dict.fromkeys(names):
            if name.lower() == _NO_FINDING.lower():
                present.append(_NO_FINDING)
            elif name.startswith("?") and name.strip("?"):
                unknown.append(sys.intern(name[1:].strip()))
            else:
                present.append(sys.intern(name))
        return tuple(present), tuple(unknown)


def _as_list(text: str) -> list[str] | None:
    """Reads a list as JSON, Python, NumPy or PostgreSQL write it; None for others."""
    if text == "set()":
        return []
    if text[:1] + text[-1:] not in ("[]", "{}") or len(text) > _MAX_LITERAL:
        return None
    if text in ("[]", "{}"):
        return []
    value: Any = None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(_GLUED.sub(r"\1, ", text))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return _as_array(text)
    if isinstance(value, dict):
        value = value.get("choices")
    if isinstance(value, set):
        value = sorted(value, key=str)
    if not isinstance(value, list) or not all(type(v) in (str, int) for v in value):
        return None
    return [str(each) for each in value]


def _as_array(text: str) -> list[str] | None:
    """Reads an array of PostgreSQL, {cat,"tie dye"}; None for others."""
    inner = text[1:-1]
    if text[0] != "{" or set("{}'") & set(inner):
        return None
    row: list[str] = next(csv.reader([inner], skipinitialspace=True, escapechar="\\"))
    return row


class _VerifiedLabels:
    """Reads Open Images: a label per row, which an image has (1) or has not (0)."""

    def __init__(self, columns: TableColumns):
        self._label: Any = columns.labels
        self._confidence: Any = columns.confidence
        self._marks: list[dict[str, int]] = []
        self._problems: dict[int, str] = {}
        self._unsure = 0

    def add(self, index: int, cells: Cells) -> None:
        if index == len(self._marks):
            self._marks.append({})
        if not len(cells):
            return
        label, confidence = (
            cell_text(cells[self._label]),
            cell_text(cells[self._confidence]),
        )
        mark = MARKS.get(confidence)
        if not label or confidence == "":
            self._problems.setdefault(index, "a label and its confidence must be given")
        elif mark in (PRESENT, ABSENT):
            if self._marks[index].setdefault(sys.intern(label), mark) != mark:
                self._problems.setdefault(
                    index, f"the label {label!r} must be 1 or 0; rows give both"
                )
        else:
            self._unsure += 1

    def finish(self, lines: Sequence[int]) -> TableLabels:
        present = [tuple(n for n, mark in own.items() if mark) for own in self._marks]
        absent = [tuple(n for n, m in own.items() if not m) for own in self._marks]
        self._marks.clear()
        unsure = Finding(
            "warning",
            "Labels that nobody verified",
            "Their confidence is neither 0 nor 1; they count as unknown.",
            count=self._unsure,
        )
        return TableLabels(
            present,
            [()] * len(present),
            self._problems,
            "a verified label in each row; labels that are not listed are unknown",
            [unsure] if self._unsure else [],
            absent=absent,
        )


class _MarkedLabels:
    """Reads columns of one label each: 1, 0, -1 or nothing."""

    def __init__(
        self, source: str | Path, columns: TableColumns, reading: ReadingOptions
    ):
        self._source = source
        self._header = columns.header
        self._path = columns.path
        self._columns = columns.marks
        self._blank = reading.blank
        self._ignored = set(reading.ignore_labels)
        self._shared: dict[Any, Any] = {}
        self._present: list[tuple[int, ...]] = []
        self._blanks: list[tuple[int, ...]] = []
        self._unsure: dict[int, tuple[int, ...]] = {}
        self._others: dict[int, dict[int, str]] = {}

    def add(self, index: int, cells: Cells) -> None:
        found: dict[int, list[int]] = {PRESENT: [], BLANK: [], UNSURE: []}
        others: dict[int, str] = {}
        marks = MARKS.get
        for column in self._columns if len(cells) else ():
            cell = cells[column]
            mark = marks(cell if isinstance(cell, str) else cell_text(cell))
            if mark == ABSENT:
                continue
            if mark is None:
                mark = marks(cell_text(cell))
            if mark is None:
                others[column] = cell_text(cell)
            elif mark != ABSENT:
                found[mark].append(column)
        present, blanks = (
            self._shared.setdefault(columns, columns)
            for columns in (tuple(found[PRESENT]), tuple(found[BLANK]))
        )
        if index < len(self._present):
            self._present[index] = tuple({*self._present[index], *present})
            self._blanks[index] = tuple(set(self._blanks[index]) & set(blanks))
        else:
            self._present.append(present)
            self._blanks.append(blanks)
        if found[UNSURE]:
            self._unsure[index] = (*self._unsure.get(index, ()), *found[UNSURE])
        if others:
            self._others.setdefault(index, {}).update(others)

    def finish(self, lines: Sequence[int]) -> TableLabels:
        kept, left_out = self._label_columns(lines)
        names = {column: self._header[column] for column in kept}
        shared: dict[Any, _Names] = {}

        def named(columns: tuple[int, ...]) -> _Names:
            if columns not in shared:
                own = sorted(column for column in columns if column in names)
                shared[columns] = tuple(names[column] for column in own)
            return shared[columns]

        problems = {}
        for index, others in self._others.items():
            wrong = [
                column
                for column in others
                if column in names and names[column] not in self._ignored
            ]
            if wrong:
                problems[index] = (
                    f"column {names[wrong[0]]}: {others[wrong[0]]!r} is not 1, 0 or "
                    "-1. Correct it, or leave the column out with --ignore_labels"
                )
        present = [named(columns) for columns in self._present]
        unknown = []
        for index, blanks in enumerate(self._blanks):
            unsure = self._unsure.get(index, ())
            columns = (*blanks, *unsure) if self._blank == "unknown" else unsure
            if columns and unsure:
                columns = tuple(set(columns) - set(self._present[index]))
            unknown.append(named(columns))
        self._blanks.clear()
        findings = []
        if left_out:
            findings.append(columns_left_out([self._header[i] for i in left_out]))
            findings += self._in_words(left_out)
        return TableLabels(
            present,
            unknown,
            problems,
            f"{count_noun(len(kept), 'column')} of one label each",
            findings,
            tuple(names.values()),
        )

    def _in_words(self, left_out: Sequence[int]) -> list[Finding]:
        """Returns warnings about columns that may be labels in other words."""
        words: dict[int, set[str]] = {column: set() for column in left_out}
        for others in self._others.values():
            for column in others.keys() & words.keys():
                words[column].add(others[column].lower())
        filled = {self._header[i]: own for i, own in words.items() if own}
        found = [
            Finding(
                "warning",
                "Columns of yes and no that are not used",
                "If they are labels, write 1 and 0 instead.",
                ("column",),
                [name for name, own in filled.items() if own <= _WORDS],
            ),
            Finding(
                "warning",
                "Columns of numbers between 0 and 1 that are not used",
                "If they are labels, the model would lack them: each cell must be 1 "
                "(present), 0 (absent), -1 (unknown) or empty, not a probability.",
                ("column",),
                [name for name, own in filled.items() if all(map(_is_share, own))],
            ),
        ]
        return [finding for finding in found if finding.count]

    def _label_columns(self, lines: Sequence[int]) -> tuple[list[int], list[int]]:
        """Returns the columns that hold marks, and those that hold something else."""
        total = len(self._present)
        blanks: Counter[int] = Counter()
        for columns, count in Counter(self._blanks).items():
            for column in columns:
                blanks[column] += count
        others = Counter(i for own in self._others.values() for i in own)
        kept: list[int] = []
        left_out: list[int] = []
        for column in self._columns:
            filled = total - blanks[column]
            strange = others[column] >= _OTHER_CELLS * filled
            (left_out if strange or not filled else kept).append(column)
        if not kept:
            named = [self._header[i] for i in left_out if self._header[i]]
            named_columns = shorten_header(self._header)
            example = ""
            for index, cells in sorted(self._others.items())[:1]:
                column, cell = next(iter(cells.items()))
                example = (
                    f" Row {lines[index]}, column {self._header[column]}: {cell!r} is "
                    "not 1, 0 or -1."
                )
            raise ValueError(
                f"{self._source} row 1: no column `labels`{_likely_labels(named)} "
                "Name the column of labels with --labels_column, or write 1 and 0 into "
                f"a column for each label; the columns are {named_columns}.{example}"
            )
        return kept, left_out


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _likely_labels(names: Sequence[str]) -> str:
    numbered = [name for name in names if _NUMBERED.fullmatch(name.lower())]
    if len(numbered) > 1:
        return (
            f"; {', '.join(map(repr, numbered[:5]))} look like parts of it. Join them "
            "in one column, with '|' between labels."
        )
    hints = (did_you_mean(name, names) for name in SEVERAL)
    return next((hint for hint in hints if hint != "."), ".")
