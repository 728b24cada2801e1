"""The labels of a dataset with their names cleaned, renamed, merged and chosen."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.label_keys import group_by_key
from kmlic.data.multi_label_data import Boxes
from kmlic.data.read_text_rows import read_text_rows
from kmlic.data.reading_options import ReadingOptions

_HEADER = ("label", "becomes", "images")


def tidy_labels(listing: Listing, reading: ReadingOptions) -> Listing:
    """Cleans, renames, merges and chooses the labels of a listing, in this order.

    Spaces around a name are removed, and characters that can be written in several ways
    are written in one (Unicode NFC). Rows and images stay, also those that lose all
    their labels.

    Args:
        listing: from a reader.
        reading: its `rename`, `merge`, `ignore_labels` and `min_positives`.

    Raises:
        ValueError: if the file of renamed labels breaks a rule.

    Example:
        >>> rows = [ImageRow(2, "a.jpg", ("Dog ",)), ImageRow(3, "b.jpg", ("dog",))]
        >>> tidy = tidy_labels(
        ...     Listing(rows, "labels.csv", "."), ReadingOptions(merge=True)
        ... )
        >>> [row.labels for row in tidy.rows], tidy.findings[0].title
        ([('dog',), ('dog',)], 'Merged labels')
    """
    findings = [*listing.findings]
    present = _count(listing.rows)
    names = {*present, *_not_present(listing.rows), *(listing.label_names or ())}
    becomes = {name: _clean(name) for name in names}
    if reading.rename is not None:
        renamed = _read_renames(reading.rename)
        absent = renamed.keys() - set(becomes.values())
        findings += [
            _finding("Renamed labels", renamed, present, becomes),
            Finding(
                "warning",
                "Labels to rename that no image has",
                f"{reading.rename} names them.",
                ("label",),
                sorted(absent),
            ),
        ]
        becomes = {name: renamed.get(new, new) for name, new in becomes.items()}
    if reading.merge:
        merged = _merge(_total(present, becomes))
        findings.append(_finding("Merged labels", merged, present, becomes))
        becomes = {name: merged.get(new, new) for name, new in becomes.items()}
    counts = _total(present, becomes)
    ignored = {_clean(name) for name in reading.ignore_labels}
    rare = {
        name
        for name in {*becomes.values()} - {"", *ignored}
        if counts[name] < reading.min_positives
    }
    dropped = dict.fromkeys(ignored | rare, "")
    findings += [
        _finding(
            "Ignored labels",
            {name: "" for name in ignored if name in set(becomes.values())},
            present,
            becomes,
        ),
        Finding(
            "warning",
            "Ignored labels that no image has",
            "",
            ("label",),
            sorted(ignored - set(becomes.values())),
        ),
        _finding(
            f"Labels on fewer than min_positives={reading.min_positives} images",
            dict.fromkeys(rare, ""),
            present,
            becomes,
        ),
    ]
    becomes = {name: dropped.get(new, new) for name, new in becomes.items()}
    changed = {name for name, new in becomes.items() if name != new}
    rows = listing.rows
    own_names = listing.label_names
    if changed:
        rows = [_change(row, becomes, changed) for row in rows]
        if own_names is not None:
            own_names = tuple(dict.fromkeys(filter(None, map(becomes.get, own_names))))
    return listing._replace(
        rows=rows,
        label_names=own_names,
        findings=[finding for finding in findings if finding.count],
    )


def _merge(counts: Mapping[str, int]) -> dict[str, str]:
    """Returns the most frequent spelling of each name that has several."""
    merged: dict[str, str] = {}
    for spellings in group_by_key(filter(None, counts)):
        best = min(spellings, key=lambda name: (-counts[name], name.swapcase()))
        merged |= {name: best for name in spellings if name != best}
    return merged


def _clean(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def _count(rows: Iterable[ImageRow]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row.labels)
    return counts


def _not_present(rows: Iterable[ImageRow]) -> set[str]:
    return {name for row in rows for name in (*row.unknown, *row.absent)}


def _total(present: Mapping[str, int], becomes: Mapping[str, str]) -> Counter[str]:
    """Counts the images of each new name; those with two spellings count twice."""
    counts = Counter(dict.fromkeys(becomes.values(), 0))
    for name, count in present.items():
        counts[becomes[name]] += count
    return counts


def _finding(
    title: str,
    changes: Mapping[str, str],
    present: Mapping[str, int],
    becomes: Mapping[str, str],
) -> Finding:
    counts = _total(present, becomes)
    made = [
        [old, new or "left out", f"{counts[old]:,}"]
        for old, new in sorted(changes.items())
        if counts[old] or old in becomes.values()
    ]
    return Finding("note", title, "", _HEADER, made)


def _read_renames(path: Path) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for line, old, new in _read_pairs(path):
        old, new = _clean(old), _clean(new)
        if not old or renamed.get(old, new) != new:
            raise ValueError(
                f"{path} line {line}: old must be a label that is renamed once; got "
                f"{old!r}."
            )
        renamed[old] = new
    if not renamed:
        raise ValueError(
            f"{path} must rename at least one label; it has no row below its header. "
            "Begin it with the line old,new."
        )
    return renamed


def _read_pairs(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yields the cells of the columns old and new, or else of the first two."""
    rows = read_text_rows(path, keep_spaces=True)
    first_line, header = next(rows, (1, []))
    if len(header) < 2:
        raise ValueError(
            f"{path} line {first_line}: must have the columns old and new; got "
            f"{header}."
        )
    named = {"old", "new"} <= set(header)
    old, new = (header.index("old"), header.index("new")) if named else (0, 1)
    for number, (line, cells) in enumerate(rows):
        if number == 0 and not named:
            yield first_line, header[old], header[new]  # there may be no header
        cells = [*cells, *[""] * (len(header) - len(cells))]
        yield line, cells[old], cells[new]


def _change(row: ImageRow, becomes: Mapping[str, str], changed: set[str]) -> ImageRow:
    boxes = row.boxes
    if boxes is not None and not changed.isdisjoint(boxes.names):
        kept = [bool(becomes.get(name, name)) for name in boxes.names]
        names = (becomes.get(name, name) for name in boxes.names)
        boxes = Boxes(tuple(filter(None, names)), boxes.corners[np.array(kept, bool)])
        row = row._replace(boxes=boxes)
    if changed.isdisjoint((*row.labels, *row.unknown, *row.absent)):
        return row
    labels, unknown, absent = (
        dict.fromkeys(filter(None, map(becomes.__getitem__, names)))
        for names in (row.labels, row.unknown, row.absent)
    )
    return row._replace(
        labels=tuple(labels),
        unknown=tuple(name for name in unknown if name not in labels),
        absent=tuple(n for n in absent if n not in labels and n not in unknown),
    )
