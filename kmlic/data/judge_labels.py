"""What is doubtful about the names of a dataset's labels."""

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from kmlic.data.finding import Finding
from kmlic.data.image_row import Listing
from kmlic.data.label_keys import (
    find_meant,
    find_misspelt,
    find_negated,
    group_by_key,
)

# What may stand between labels in one text; a hyphen or a space mostly does not.
_SEPARATORS = ",;|/+&"
# A box of YOLO: class, then centre and size as fractions of the image.
_NUMBER = r"-?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?"
_YOLO = re.compile(rf"\d+(\s+{_NUMBER}){{4,}}")
_MISSING = frozenset(
    ("nan", "null", "none", "n/a", "na", "<na>", "#n/a", "nat", "nil", "-", "--", "?")
)
_MakeFinding = Callable[[str, str, Sequence[str]], Finding]
_BRACKETS = {"[": "]", "{": "}", "(": ")"}


def judge_labels(listing: Listing) -> list[Finding]:
    """Finds names of labels that look wrong, and the rows where they first occur.

    Args:
        listing: with the labels that a training would use.

    Returns:
        Errors where a training would learn something else than was meant: several
        labels in one name, boxes, lists, missing values or separators as names, control
        characters, names that differ in case or spaces only, and misspelt names of
        unknown labels; warnings about other likely typos.

    Example:
        >>> from kmlic.data.image_row import ImageRow
        >>> labels = ("cat,tie dye", "dog", "cat", "cat,dog")
        >>> rows = [ImageRow(i, f"{i}.jpg", (name,)) for i, name in enumerate(labels)]
        >>> [(f.level, f.title) for f in judge_labels(Listing(rows, "a.csv", "."))]
        [('error', 'Several labels in one name')]
    """
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    first_unknown: dict[str, str] = {}
    for row in listing.rows:
        for name in row.labels:
            if name not in counts:
                first[name] = str(row.row or row.path)
            counts[name] += 1
        for name in row.unknown:
            first_unknown.setdefault(name, str(row.row or row.path))
    absent = {name for row in listing.rows for name in row.absent}
    names = {*counts, *absent, *(listing.label_names or ())}

    def rows_of(found: Sequence[str]) -> list[list[str]]:
        return [[name, f"{counts[name]:,}", first.get(name, "-")] for name in found]

    def finding(title: str, text: str, found: Sequence[str]) -> Finding:
        header = ("label", "images", "first row")
        return Finding("error", title, text, header, rows_of(found))

    wrong, excluded = _wrong_names(names, finding)
    alike = group_by_key(names)
    typos = find_misspelt(counts)
    findings = [
        *wrong,
        *_combinations(sorted(names - excluded), finding),
        finding(
            "Labels that negate another one",
            "They would be learned as labels of their own. Mark the other label as "
            "absent or unknown instead: labels that are not listed are absent "
            "(--ignore_labels leaves these out), ? before a name marks it as unknown.",
            [name for name, _ in find_negated(names)],
        ),
        Finding(
            "error",
            "Labels that differ in case, spaces or hyphens only",
            "They would be learned as different labels. merge (--merge) makes them one "
            "label, rename (--rename) gives each the name that you choose.",
            ("set", "label", "images", "first row"),
            [
                [str(number), *cells]
                for number, group in enumerate(alike, start=1)
                for cells in rows_of(group)
            ],
            count=len(alike),
        ),
        *_unknown(names, first_unknown),
        Finding(
            "warning",
            "Labels that may be misspelt",
            "Few images have them, and many have one with nearly the same name. rename "
            "(--rename) corrects them.",
            ("label", "images", "first row", "like", "images"),
            [
                [*rows_of([name])[0], other, f"{counts[other]:,}"]
                for name, other in typos
            ],
        ),
    ]
    return [each for each in findings if each.count]


def _wrong_names(
    names: set[str], finding: _MakeFinding
) -> tuple[list[Finding], set[str]]:
    """Returns errors about names that are none, and what is no text with names."""
    boxes = sorted(name for name in names if _YOLO.fullmatch(name))
    lists = sorted(filter(_is_list, names))
    missing = sorted(name for name in names if name.lower() in _MISSING)
    bare = sorted(name for name in names if name and name in _SEPARATORS)
    control = sorted(filter(_has_control_character, names))
    found = [
        finding(
            "Boxes instead of labels",
            "These are lines of YOLO's text files: a number of a class and a box. "
            "Export the dataset as COCO or Pascal VOC, or with one label per line.",
            boxes,
        ),
        finding(
            "Lists that were read as one label",
            "Write the labels of an image with a separator between them.",
            lists,
        ),
        finding(
            "Labels that look like missing values",
            "Leave them out (--ignore_labels) if images without labels are meant, or "
            "rename them (--rename).",
            missing,
        ),
        finding(
            "Separators that were read as labels",
            "Give what separates labels: --separator.",
            bare,
        ),
        finding(
            "Labels with control characters",
            "A line break, tab or zero byte is no part of a name. Remove it from the "
            "file, or give what separates labels: --separator.",
            control,
        ),
    ]
    return found, {*boxes, *lists, *missing, *bare}


def _has_control_character(name: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in name)


def _is_list(name: str) -> bool:
    """Returns whether a name looks like a list or text as programs write them."""
    first, last = name[:1], name[-1:]
    if first and _BRACKETS.get(first) == last:
        return any(mark in name for mark in "\"',:")
    return len(name) > 1 and first == last and first in "\"'"


def _combinations(names: Sequence[str], finding: _MakeFinding) -> list[Finding]:
    for separator in _SEPARATORS:
        joined = {
            name: [part.strip() for part in name.split(separator)]
            for name in names
            if separator in name
        }
        # A comma may belong to a name, but then its parts are no other names.
        times = Counter(itertools.chain(*joined.values()))
        times.update(name for name in names if name not in joined)
        several = [
            name
            for name, parts in joined.items()
            if all(parts) and all(times[part] > 1 for part in parts)
        ]
        if len(several) * 2 >= len(joined) > 0:
            text = (
                f"They hold {separator!r} between names that occur elsewhere too. Give "
                f"the separator: --separator {separator!r}. If each of them is one "
                "label, rename them (--rename)."
            )
            return [finding("Several labels in one name", text, list(joined))]
    return []


def _unknown(names: set[str], first_unknown: Mapping[str, str]) -> list[Finding]:
    missing = [name for name in sorted(first_unknown) if name not in names]
    meant = find_meant(missing, names)
    return [
        Finding(
            "error",
            "Misspelt names of unknown labels",
            "No image has such a label, so that the one that is meant would count as "
            "absent there. Correct the name, or rename it (--rename).",
            ("unknown label", "like", "first row"),
            [[name, like, first_unknown[name]] for name, like in meant.items()],
        ),
        Finding(
            "warning",
            "Unknown labels that no image has",
            "They are left out.",
            ("unknown label", "first row"),
            [[name, first_unknown[name]] for name in missing if name not in meant],
        ),
    ]
