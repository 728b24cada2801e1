"""A check of a dataset before a training."""

import dataclasses
import hashlib
import itertools
import shlex
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
from matplotlib.figure import Figure
from scipy.sparse import csr_array

from kmlic.check_limits import NEAR_BITS
from kmlic.data.finding import Finding, Level
from kmlic.data.inspect_rows import InspectedRows, inspect_rows
from kmlic.data.limits import Limits
from kmlic.data.multi_label_data import SPLITS, write_splits
from kmlic.data.near_duplicates import near_duplicates
from kmlic.data.read_listing import read_listing
from kmlic.data.reading_options import DEFAULT_READING, ReadingOptions
from kmlic.data.splits import FEWEST_TO_TRAIN, FEWEST_WITH_TEST, count_sets
from kmlic.data.summarise_image import ImageSummary, most_unusual, summarise_image
from kmlic.graphs import adjacency, isolated_labels
from kmlic.html_report import (
    Gallery,
    Picture,
    Section,
    Summary,
    name_data,
    write_report,
)

UNUSUAL = "Unusual images"
# A fact that is left out where all images are different.
_DIFFERENT = "different images"

# As the recipe of MSRN by default.
_GRAPH_THRESHOLD = 0.4
_SHOWN_ROWS = 1000
# Thumbnails are kept of so many images, about 3 kB each, evenly over larger datasets.
_THUMBNAILS = 20_000
# Of them a page shows: sets of a finding, images of a set, examples of all labels and
# of one, unusual images. With 4 kB each that is under 4 MB.
_SHOWN_SETS, _SHOWN_OF_SET, _SHOWN_EXAMPLES, _SHOWN_OF_LABEL = 24, 6, 400, 6
_SHOWN_UNUSUAL = 18
_CAPTION_CHARACTERS = 48
_FEW = 5
_SMALL_SIDE = 32
_MOST_DRAWN = 100
_MOST_PAIRS = 30
# Labels whose pairs are counted: their number grows with the square.
_MOST_COMPARED = 1000
# Findings that a page names first.
_MOST_POINTS = 5
_SET_HEADER = ("set", "image", "split", "labels")
# Largest mean difference of the colours, 0-255, of images that look alike. Pictures of
# a red and a blue shirt have close perceptual hashes, for these see no colours.
_LIKE_COLOURS = 20
_TOO_FEW_TO_TEST = Finding(
    "warning",
    "Too few images for a test split",
    f"`kmlic train` makes none of fewer than {FEWEST_WITH_TEST} images: all are for "
    "training and are scored by cross-validation. Recipes make three splits, or train "
    "on all images with --fractions 1 0 0.",
    count=1,
)
_NO_TEST = Finding(
    "note",
    "No test images",
    "No image has the split test, so `kmlic train` tests nothing by itself: name test "
    "images with --test FILE.",
    count=1,
)
# Characters of a label that fit beside a figure.
_DRAWN_CHARACTERS = 40


@dataclasses.dataclass(frozen=True, eq=False)
class DataCheck:
    """Holds the facts, labels, findings and splits of a checked dataset.

    Args:
        facts: name to text.
        labels: one row per label: name, images with it in each split, share of the
            images where it is known that have it, share where it is unknown.
        findings: the findings, errors first.
        paths: split to the paths of its images.
        figures: the sizes of the images, and which labels occur together.
        galleries: title of a finding, "Labels" or "Unusual images" to its thumbnails.
        rows: what was checked; None if it was not kept.
        reading: how its files were read.
        split_flags: words of a command line that makes its new splits again.
    """

    facts: dict[str, str]
    labels: list[list[str]]
    findings: list[Finding]
    paths: dict[str, tuple[str, ...]]
    figures: list[Figure] = dataclasses.field(default_factory=list)
    galleries: dict[str, list[Gallery]] = dataclasses.field(default_factory=dict)
    rows: InspectedRows | None = None
    reading: ReadingOptions = DEFAULT_READING
    split_flags: Sequence[str] = ()

    LABEL_HEADER = ("label", *SPLITS, "share, %", "unknown, %")

    @property
    def has_errors(self) -> bool:
        """Returns whether any finding is an error."""
        return any(finding.level == "error" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """Says in a few sentences what to use it for, and what to correct first."""
        first = {
            level: [f for f in self.findings if f.level == level]
            for level in ("error", "warning")
        }
        if first["error"] and not self.labels:
            return f"There is nothing to train on. {first['error'][-1].text}"
        if first["error"]:
            named = [f"{f.title.lower()} ({f.count:,})" for f in first["error"]]
            rest = f", then {', '.join(named[1:])}" if len(named) > 1 else ""
            use = "train" if self._can_train else "test"
            return f"Do not {use} on this dataset yet. Correct first: {named[0]}{rest}."
        images = f"these {self.facts['usable images']} images"
        if _DIFFERENT in self.facts:
            images += f" ({self.facts[_DIFFERENT]} different)"
        text = f"You can train on {images}."
        if not self._can_train:
            text = (
                f"You can test on {images}, with kmlic train --test or kmlic evaluate, "
                "but not train: none is in the training split."
            )
        if first["warning"]:
            worst = first["warning"][0]
            return f"{text} Look first at: {worst.title.lower()} ({worst.count:,})."
        return f"{text} No errors were found."

    @property
    def _can_train(self) -> bool:
        return len(self.paths["train"]) > 0

    def with_findings(
        self, findings: Sequence[Finding], galleries: Mapping[str, list[Gallery]]
    ) -> "DataCheck":
        """Returns the check with more findings and their thumbnails."""
        return dataclasses.replace(
            self,
            findings=_in_order([*self.findings, *findings]),
            galleries={**self.galleries, **galleries},
        )

    def write_splits(self, path: str | Path) -> None:
        """Writes the split of each image to a CSV for `splitting` of the readers."""
        write_splits(path, self.paths)

    def _steps(self) -> list[str]:
        data = shlex.join([self.facts["source"], *self.reading.flags])
        split = " ".join([data, *self.split_flags])
        if self.has_errors:
            return [f"Correct the errors and check again: `kmlic data check {split}`"]
        if not self._can_train:
            return [
                f"Test a classifier of other images: `kmlic train DATA --test {data}`",
                f"Test a trained one: `kmlic evaluate RUN {data} --split all`",
            ]
        return [f"Train a classifier: `kmlic train {split}`"]

    def _worst(self) -> list[str]:
        return [
            f"{each.title}: {each.count:,}. {each.text}".strip()
            for each in self.findings
            if each.level != "note"
        ][:_MOST_POINTS]

    def write_report(self, path: str | Path) -> None:
        """Writes facts, findings, labels and figures as one HTML file."""
        found = [[f.level, f"{f.count:,}", f.title] for f in self.findings]
        sections = [
            Section("Dataset", rows=[[k, v] for k, v in self.facts.items()]),
            Section(
                "Findings",
                "Correct errors before a training." if found else "No findings.",
                ["level", "count", "finding"] if found else (),
                found,
            ),
            *(
                finding_section(each, self.galleries.get(each.title, ()))
                for each in self.findings
            ),
            Section(
                "Labels",
                _cut(len(self.labels)),
                self.LABEL_HEADER,
                self.labels[:_SHOWN_ROWS],
                galleries=self.galleries.get("Labels", ()),
            ),
            Section(
                UNUSUAL,
                "The images whose colours differ most from all others. Look for images "
                "that do not belong here, such as screenshots and empty pages.",
                galleries=self.galleries[UNUSUAL],
            )
            if UNUSUAL in self.galleries
            else Section(UNUSUAL),
            Section("Figures", figures=self.figures),
        ]
        summary = Summary(
            self.verdict,
            [
                ("usable images", self.facts["usable images"], self.facts["splits"]),
                *(
                    (name, self.facts[name], "")
                    for name in ("labels", "labels per image")
                ),
            ],
            {"What to do next": self._steps(), "What was found": self._worst()},
        )
        title = f"Check of {name_data(self.facts['source'])}"
        write_report(path, title, sections, summary)


def finding_section(finding: Finding, galleries: Sequence[Gallery] = ()) -> Section:
    """Lays out a finding: what it means, where it was found, and thumbnails.

    Args:
        finding: with rows.
        galleries: of the images in the rows.

    Example:
        >>> finding_section(Finding("note", "Images without labels", "None.")).text
        'None.'
    """
    return Section(
        finding.title,
        finding.text + _cut(len(finding.rows)),
        finding.header,
        finding.rows[:_SHOWN_ROWS],
        galleries=galleries,
    )


def check_data(
    path: str | Path,
    reading: ReadingOptions | None = None,
    *,
    images: Literal["decode", "header", "none"] = "decode",
    near: int | None = NEAR_BITS,
    splitting: str | Path = "stratified",
    fractions: Sequence[float] | None = None,
    seed: int = 0,
    thumbnails: bool = False,
    **limits: Unpack[Limits],
) -> DataCheck:
    """Checks all rows, images and labels of a dataset for problems before a training.

    If the dataset has no splits, they are made as `kmlic train` makes them, so that the
    findings hold in a training.

    Args:
        path: see `read_listing`.
        reading: see `read_listing`.
        images: "decode" to decode every image, "header" to read its header, "none" to
            open no image.
        near: largest number of bits, of 64, in which the perceptual hashes of similar
            images, whose colours are alike too, differ; None does not search for them.
            Needs images="decode".
        splitting: "stratified", "random", or a CSV with columns path and split.
        fractions: shares of training, validation and test images; None for 0.7, 0.1 and
            0.2, and no validation and test images of fewer than 50.
        seed: seed of new splits.
        thumbnails: whether to keep thumbnails for `write_report`, of 20,000 images at
            most. Needs images="decode".
        **limits: of the images, see `kmlic.data.limits.Limits`.

    Raises:
        ValueError: if the dataset cannot be read, or lists nothing.
    """
    listing = read_listing(path, reading)
    decoded = images == "decode"
    rows = inspect_rows(
        listing,
        check=images,
        describe=make_describer(
            hashed=near is not None,
            thumbnails_of=len(listing.rows) if thumbnails else 0,
        )
        if decoded
        else None,
        **limits,
    )
    problem = None
    given = rows.splits_are_given or splitting not in ("stratified", "random")
    split = np.zeros(len(rows.images), np.int8)
    if rows.images and rows.names:
        try:
            split = rows.split(splitting, fractions=fractions, seed=seed)
            if fractions is None and not given and not split.any():
                problem = _TOO_FEW_TO_TEST
            elif given and 0 in split and SPLITS.index("test") not in split:
                problem = _NO_TEST
        except ValueError as error:
            problem = Finding("error", "No usable splits", str(error), count=1)
    check = check_rows(
        rows,
        split,
        splits_are_given=given,
        split_problem=problem,
        near=near if decoded else None,
    )
    flags = [] if fractions is None else ["--fractions", *map(str, fractions)]
    flags += ["--seed", str(seed)] if seed else []
    return dataclasses.replace(
        check,
        reading=reading or DEFAULT_READING,
        split_flags=() if given else flags,
    )


def make_describer(
    *, hashed: bool, thumbnails_of: int
) -> Callable[[np.ndarray], ImageSummary]:
    """Makes the argument `describe` of `inspect_rows`, for `check_rows`.

    Args:
        hashed: whether near duplicates are searched.
        thumbnails_of: number of images, of which 20,000 at most keep a thumbnail,
            evenly over all; 0 for no thumbnails.

    Example:
        >>> describe = make_describer(hashed=False, thumbnails_of=0)
        >>> describe(np.zeros((30, 40, 3), "uint8")).thumbnail
        b''
    """
    every = -(-thumbnails_of // _THUMBNAILS)
    number = itertools.count()

    def describe(pixels: np.ndarray) -> ImageSummary:
        kept = every > 0 and next(number) % every == 0
        return summarise_image(pixels, hashed=hashed, thumbnail=kept)

    return describe


def check_rows(
    rows: InspectedRows,
    split: np.ndarray,
    *,
    splits_are_given: bool,
    split_problem: Finding | None = None,
    near: int | None = NEAR_BITS,
    fitted: Sequence[str] = ("train",),
) -> DataCheck:
    """Judges rows that were inspected, as `check_data` does, without reading a file.

    Args:
        rows: the usable images and the problems of the others.
        split: (N,) the split of each image, see `InspectedRows.split`.
        splits_are_given: whether the dataset says which image is in which split.
        split_problem: that it has no usable splits; None if it has.
        near: as in `check_data`; needs rows described by `summarise_image`.
        fitted: splits that are fitted to, and whose labels count as training images.
    """
    if not rows.images or not rows.names:
        return _nothing_usable(rows, splits_are_given)
    similar = [] if near is None else _similar_sets(rows, near)
    alike = _keys(len(rows.images), similar)
    fits = np.isin(split, [SPLITS.index(name) for name in fitted])
    trained = np.flatnonzero(fits)
    counts = _Counts(rows, np.where(fits, 0, split))
    one = [members for members in similar if _holds_all(members, trained)]
    findings = [
        *rows.listing.findings,
        _unusable(rows),
        _too_few_to_train(split),
        *find_one_set(rows, split, trained),
        _all_alike(rows, split, trained, one),
        *([split_problem] if split_problem else ()),
        *_copies(rows, split, splits_are_given),
        _groups(rows, split),
        *_near_duplicates(rows, split, [each for each in similar if each not in one]),
        *_labels(rows, counts),
        *_label_pairs(rows, counts),
        *_images(rows),
    ]
    findings = _in_order(findings)
    return DataCheck(
        facts=_facts(rows, split, splits_are_given, alike),
        labels=_label_rows(rows, counts),
        findings=findings,
        paths={
            name: tuple(rows.images[i].path for i in np.flatnonzero(split == number))
            for number, name in enumerate(SPLITS)
        },
        figures=_figures(rows, counts),
        galleries=_galleries(rows, findings),
        rows=rows,
    )


def find_one_set(
    rows: InspectedRows, split: np.ndarray, trained: np.ndarray
) -> list[Finding]:
    """Returns an error if all images to train on are one image, or of one group.

    Args:
        rows: the usable images.
        split: (N,) the split of each image, see `InspectedRows.split`.
        trained: indices of those that are fitted to.
    """
    compared = np.flatnonzero(split != SPLITS.index("test"))
    digests = rows.digests
    if _is_one_set([digests[i] for i in trained]):
        title, members = "All training images are copies of one image", trained
        text = "No label can be learned from one image. Add other images."
    elif len(trained) and _is_one_set(
        [digests[i] for i in compared],
        [rows.images[i].group or None for i in compared],
    ):
        title, members = "All images but the test's are of one group", compared
        text = (
            "There is nothing to compare models on that they were not fitted to. Add "
            "images of other groups."
        )
    else:
        return []
    paths = [rows.images[i].path for i in members]
    return [Finding("error", title, text, ("image",), paths, len(paths))]


def _nothing_usable(rows: InspectedRows, given: bool) -> DataCheck:
    count = len(rows.images)
    reason = rows.lack or "it lists no image"
    lack = Finding(
        "error", "Nothing to train on", f"{reason[0].upper()}{reason[1:]}.", count=1
    )
    return DataCheck(
        facts=_facts(rows, np.zeros(count, np.int8), given, _keys(count, [])),
        labels=[],
        findings=_in_order([*rows.listing.findings, _unusable(rows), lack]),
        paths={name: () for name in SPLITS},
    )


def _in_order(findings: Sequence[Finding]) -> list[Finding]:
    order = ("error", "warning", "note")
    return sorted((f for f in findings if f.count), key=lambda f: order.index(f.level))


class _Counts:
    """Counts labels by split, and the pairs of the most frequent labels."""

    def __init__(self, rows: InspectedRows, split: np.ndarray):
        targets = rows.targets
        present = (targets == 1).astype(np.int64)
        # What is listed is what is known, or else what is not.
        others = (targets == -1) if not rows.unlisted_unknown else (targets != 0)
        others = others.astype(np.int64)
        self.images = targets.shape[0]
        self.sizes = np.bincount(split, minlength=len(SPLITS))
        members = (np.arange(len(SPLITS))[:, None] == split).astype(np.int64)  # (3, N)
        self.present = members @ present
        counted = members @ others
        self.known = members.sum(axis=1, keepdims=True) - counted
        self.unknown = others.sum(axis=0)
        if rows.unlisted_unknown:
            self.known, self.unknown = counted, self.images - self.unknown
        self.totals = self.present.sum(axis=0)
        self.compared = _most_frequent(self.totals, _MOST_COMPARED)
        own, own_others = present[:, self.compared], others[:, self.compared]
        self.pairs = (own.T @ own).toarray()
        # Images with i where it is known whether they have j.
        totals = self.totals[self.compared]
        self.pairs_known = (own.T @ own_others).toarray()
        if not rows.unlisted_unknown:
            self.pairs_known = totals[:, None] - self.pairs_known
        np.fill_diagonal(self.pairs, 0)


def _most_frequent(totals: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of the largest totals, in order."""
    return np.sort(np.argsort(-totals, kind="stable")[:count])


def _equal_labels(present: csr_array) -> list[np.ndarray]:
    """Returns the sets of labels that the same images have, at least one image."""
    columns = present.tocsc()
    columns.sort_indices()
    sets: dict[bytes, list[int]] = {}
    for label, (start, end) in enumerate(itertools.pairwise(columns.indptr)):
        images = columns.indices[start:end].tobytes()
        if images:
            sets.setdefault(hashlib.sha256(images).digest(), []).append(label)
    return [np.array(labels) for labels in sets.values() if len(labels) > 1]


def _facts(
    rows: InspectedRows,
    split: np.ndarray,
    given: bool,
    alike: list[int | None],
) -> dict[str, str]:
    headers = [check.header for check in rows.checks if check.header is not None]
    sizes = np.bincount(split, minlength=len(SPLITS))
    different = count_sets(rows.digests, alike) if rows.images else 0
    facts = {
        "source": str(rows.listing.source),
        **({"read as": rows.listing.summary} if rows.listing.summary else {}),
        "rows": f"{len(rows.listing.rows):,}",
        "usable images": f"{len(rows.images):,}",
        **({_DIFFERENT: f"{different:,}"} if different < len(rows.images) else {}),
        "labels": f"{len(rows.names):,}",
        "labels per image": f"{(rows.targets == 1).sum() / max(len(split), 1):.2f}",
        "splits": ", ".join(f"{n:,} {s}" for s, n in zip(SPLITS, sizes, strict=True))
        + (" (given)" if given else " (new)"),
    }
    if headers:
        kinds = Counter(header.format for header in headers)
        sides = np.array([(header.width, header.height) for header in headers])
        low, middle, high = np.percentile(sides, [0, 50, 100], axis=0).astype(int)
        facts["formats"] = ", ".join(
            f"{count:,} {kind}" for kind, count in sorted(kinds.items())
        )
        facts["width, pixels"] = f"{low[0]} to {high[0]}, median {middle[0]}"
        facts["height, pixels"] = f"{low[1]} to {high[1]}, median {middle[1]}"
    return facts


def _label_rows(rows: InspectedRows, counts: _Counts) -> list[list[str]]:
    known = np.maximum(counts.images - counts.unknown, 1)
    return [
        [
            name,
            *(f"{counts.present[number, index]:,}" for number in range(len(SPLITS))),
            f"{100 * counts.totals[index] / known[index]:.2f}",
            f"{100 * counts.unknown[index] / counts.images:.2f}",
        ]
        for index, name in enumerate(rows.names)
    ]


def _too_few_to_train(split: np.ndarray) -> Finding:
    count = int((split != SPLITS.index("test")).sum())
    few = count < FEWEST_TO_TRAIN and (split == SPLITS.index("train")).any()
    return Finding(
        "error",
        "Too few training images",
        f"`kmlic train` needs at least {FEWEST_TO_TRAIN} training and validation "
        "images to compare models on.",
        count=count if few else 0,
    )


def _unusable(rows: InspectedRows) -> Finding:
    return Finding(
        "error",
        "Unusable rows",
        "They stop a training unless on_error (--on_error skip) leaves them out.",
        ("row", "image", "reason"),
        [[str(bad.row or "-"), bad.path, bad.reason] for bad in rows.skipped],
    )


def _keys(count: int, sets: Sequence[Sequence[int]]) -> list[int | None]:
    """Returns one key per image, None for those that are in no set."""
    number_of = {i: number for number, members in enumerate(sets) for i in members}
    return [number_of.get(index) for index in range(count)]


def _is_one_set(*groups: Sequence[Hashable]) -> bool:
    return len(groups[0]) > 1 and count_sets(*groups) == 1


def _copies(rows: InspectedRows, split: np.ndarray, given: bool) -> list[Finding]:
    copies = rows.copies()
    conflicts = rows.conflicts(copies)
    return [
        _image_sets(
            "error",
            "Exact copies in several splits",
            "The model is tested on images it was trained on. Without the column split "
            "and without a file of splits, copies are kept in one split.",
            rows,
            split,
            [members for members in copies if _splits(split, members) > 1],
        ),
        Finding(
            "warning",
            "Exact copies with different labels",
            "At most one of each pair is right.",
            ("image", "labels", "copy", "labels of the copy"),
            [
                [text for i in pair for text in (rows.images[i].path, _marks(rows, i))]
                for pair in conflicts
            ],
        ),
        _image_sets(
            "note",
            "Sets of exact copies",
            "" if given else "Each set is kept in one split.",
            rows,
            split,
            copies,
        ),
    ]


def _groups(rows: InspectedRows, split: np.ndarray) -> Finding:
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(rows.images):
        if row.group:
            groups.setdefault(row.group, []).append(index)
    return _image_sets(
        "warning",
        "Groups in several splits",
        "The splits were given, and have images of one group in training and test: "
        "scores are too good if these show the same. Give each group one split.",
        rows,
        split,
        [members for members in groups.values() if _splits(split, members) > 1],
    )


def _similar_sets(rows: InspectedRows, near: int) -> list[list[int]]:
    """Returns the sets of images that look alike, those of exact copies aside."""
    hashes = np.array([check.description.hash for check in rows.checks], np.uint64)
    digests = rows.digests
    return [
        members
        for similar in near_duplicates(hashes, distance=near)
        for members in _of_like_colours(rows, similar)
        if len({digests[i] for i in members}) > 1
    ]


def _holds_all(members: Sequence[int], trained: np.ndarray) -> bool:
    """Returns whether a set has all training images, if these are several."""
    return 1 < len(trained) <= len(members) and set(members).issuperset(trained)


def _all_alike(
    rows: InspectedRows,
    split: np.ndarray,
    trained: np.ndarray,
    sets: Sequence[Sequence[int]],
) -> Finding:
    alike = _image_sets(
        "warning",
        "All training images look alike",
        "If they are copies of one image, no label can be learned from them and no "
        "score means anything: add other images. If they differ in details, train.",
        rows,
        split,
        sets,
    )
    return dataclasses.replace(alike, count=len(trained) if sets else 0)


def _near_duplicates(
    rows: InspectedRows, split: np.ndarray, sets: Sequence[Sequence[int]]
) -> list[Finding]:
    return [
        _image_sets(
            "warning",
            "Similar images in several splits",
            "They look alike. If they show the same, test scores are too high: give "
            "them the same value in a column named group.",
            rows,
            split,
            [members for members in sets if _splits(split, members) > 1],
        ),
        _image_sets(
            "warning",
            "Similar images with different labels",
            "If they show the same, only one of them is labelled correctly.",
            rows,
            split,
            [
                members
                for members in sets
                if len({_marks(rows, i) for i in members}) > 1
            ],
        ),
        _image_sets(
            "note",
            "Similar images in one split",
            "",
            rows,
            split,
            [members for members in sets if _splits(split, members) == 1],
        ),
    ]


def _of_like_colours(rows: InspectedRows, members: Sequence[int]) -> list[list[int]]:
    """Divides images by their colours: each is like the first one of its set."""
    sets: list[list[int]] = []
    colours = {i: rows.checks[i].description.colours.astype(int) for i in members}
    for index in members:
        for known in sets:
            if np.abs(colours[index] - colours[known[0]]).mean() <= _LIKE_COLOURS:
                known.append(index)
                break
        else:
            sets.append([index])
    return [known for known in sets if len(known) > 1]


def _labels(rows: InspectedRows, counts: _Counts) -> list[Finding]:
    train, known = counts.present[0], counts.known[0]
    # Splits that are left out on purpose, as in a file of test images, lack nothing.
    trained = counts.sizes[0] > 0
    learned = train > 0
    scored = counts.present[1:][counts.sizes[1:] > 0]

    def finding(
        level: Level, title: str, text: str, chosen: np.ndarray, **columns: np.ndarray
    ) -> Finding:
        found = [
            [rows.names[i], *(str(column[i]) for column in columns.values())]
            for i in np.flatnonzero(chosen)
        ]
        return Finding(level, title, text, ("label", *columns), found)

    images = np.array([f"{count:,}" for count in counts.present.flat])
    by_split = dict(zip(SPLITS, images.reshape(counts.present.shape), strict=True))
    unknown = [f"{100 * count / counts.images:.1f}" for count in counts.unknown]
    return [
        finding(
            "error",
            "Labels without a training image",
            "They cannot be learned.",
            ~learned & trained,
        ),
        finding(
            "error",
            "Labels that every training image has",
            "No training image shows their absence.",
            learned & (train == known),
            images=by_split["train"],
        ),
        finding(
            "warning",
            f"Labels with fewer than {_FEW} training images",
            "They are unlikely to be learned.",
            learned & (train < _FEW),
            images=by_split["train"],
        ),
        finding(
            "warning",
            "Labels without a validation or test image",
            "They have no average precision there; mAP leaves them out.",
            learned & (scored == 0).any(axis=0),
            **by_split,
        ),
        finding(
            "warning",
            "Labels that are unknown for most images",
            "Losses and metrics leave unknown entries out.",
            counts.unknown > counts.images / 2,
            **{"unknown, %": np.array(unknown)},
        ),
    ]


def _label_pairs(rows: InspectedRows, counts: _Counts) -> list[Finding]:
    names = [rows.names[index] for index in counts.compared]
    totals, pairs = counts.totals[counts.compared], counts.pairs
    total_of = dict(zip(names, totals, strict=True))
    graph = adjacency(pairs, counts.pairs_known, threshold=_GRAPH_THRESHOLD)
    isolated = isolated_labels(graph, names)
    one, other = np.nonzero(np.triu(pairs))
    often = np.argsort(-pairs[one, other], kind="stable")[:_MOST_PAIRS]
    among = ""
    if len(names) < len(rows.names):
        among = f"Among the {len(names):,} most frequent labels. "
    together = _equal_labels(rows.targets == 1)
    equal_pairs = sorted(
        pair
        for labels in together
        for pair in itertools.islice(itertools.combinations(labels, 2), _SHOWN_ROWS)
    )
    return [
        Finding(
            "warning",
            "Labels that always occur together",
            "No image distinguishes them.",
            ("label", "label", "images"),
            [
                [rows.names[i], rows.names[j], f"{counts.totals[i]:,}"]
                for i, j in equal_pairs
            ],
            count=sum(len(labels) * (len(labels) - 1) // 2 for labels in together),
        ),
        Finding(
            "note",
            "Isolated labels in the label graph",
            f"{among}With threshold {_GRAPH_THRESHOLD:g}: {isolated}",
            ("label", "images"),
            [[name, f"{total_of[name]:,}"] for name in isolated.alone],
        ),
        Finding(
            "note",
            "Pairs of labels that occur together",
            f"{among}The {len(often)} most frequent, with the share of each label's "
            "images that show the other.",
            ("label", "other", "images", "of the label's, %", "of the other's, %"),
            [
                [
                    names[i],
                    names[j],
                    f"{pairs[i, j]:,}",
                    f"{100 * pairs[i, j] / totals[i]:.1f}",
                    f"{100 * pairs[i, j] / totals[j]:.1f}",
                ]
                for i, j in zip(one[often], other[often], strict=True)
            ],
            count=len(one),
        ),
    ]


def _images(rows: InspectedRows) -> list[Finding]:
    empty = np.flatnonzero((rows.targets == 1).sum(axis=1) == 0)
    small = [
        (row.path, check.header)
        for row, check in zip(rows.images, rows.checks, strict=True)
        if check.header and min(check.header.width, check.header.height) < _SMALL_SIDE
    ]
    return [
        Finding(
            "note",
            "Images without labels",
            "They are used as images without any of the labels.",
            ("image",),
            [rows.images[i].path for i in empty],
        ),
        Finding(
            "warning",
            f"Images with a side below {_SMALL_SIDE} pixels",
            "",
            ("image", "width", "height"),
            [[path, str(h.width), str(h.height)] for path, h in small],
        ),
        *_boxes(rows),
    ]


def _boxes(rows: InspectedRows) -> list[Finding]:
    """Returns what is wrong with the boxes to cut out, where headers were read."""
    outside, beyond = [], []
    for row, check in zip(rows.images, rows.checks, strict=True):
        if row.part is None or check.header is None:
            continue
        left, top, right, bottom = row.part
        width, height = check.header.width, check.header.height
        cells = [row.path, ", ".join(map(str, row.part)), f"{width} x {height}"]
        if left >= width or top >= height:
            outside.append(cells)
        elif right > width or bottom > height:
            beyond.append(cells)
    header = ("image", "x1, y1, x2, y2", "width x height")
    return [
        Finding(
            "error",
            "Boxes outside of their image",
            "There is nothing to cut out. Correct x1, y1, x2 and y2.",
            header,
            outside,
        ),
        Finding(
            "warning",
            "Boxes that reach beyond their image",
            "A training cuts them at the edge of the image. Check whether x1, y1, x2 "
            "and y2 are pixels of this image.",
            header,
            beyond,
        ),
    ]


def _image_sets(
    level: Level,
    title: str,
    text: str,
    rows: InspectedRows,
    split: np.ndarray,
    sets: Sequence[Sequence[int]],
) -> Finding:
    found = [
        [str(number), rows.images[i].path, SPLITS[split[i]], _marks(rows, i)]
        for number, members in enumerate(sets, start=1)
        for i in members
    ]
    return Finding(level, title, text, _SET_HEADER, found, count=len(sets))


def _galleries(
    rows: InspectedRows, findings: Sequence[Finding]
) -> dict[str, list[Gallery]]:
    """Arranges the thumbnails: of sets of images, of labels, and of unusual images."""
    thumbnails = {
        index: check.description.thumbnail
        for index, check in enumerate(rows.checks)
        if isinstance(check.description, ImageSummary) and check.description.thumbnail
    }
    if not thumbnails:
        return {}
    index_of = {rows.images[index].path: index for index in thumbnails}

    def show(index: int, caption: str = "") -> Picture:
        path = rows.images[index].path
        return Picture(thumbnails[index], caption, f"{path}: {_marks(rows, index)}")

    galleries = {}
    for finding in findings:
        if finding.header != _SET_HEADER:
            continue
        sets = itertools.groupby(finding.rows, key=lambda row: row[0])
        galleries[finding.title] = [
            Gallery(
                f"Set {number}",
                [
                    show(index_of[path], f"{split}\n{_name(path)}\n{labels}")
                    for _, path, split, labels in itertools.islice(own, _SHOWN_OF_SET)
                    if path in index_of
                ],
            )
            for number, own in itertools.islice(sets, _SHOWN_SETS)
        ]
    galleries["Labels"] = _examples(rows, thumbnails, show)
    shown = sorted(thumbnails)
    colours = np.stack([rows.checks[index].description.colours for index in shown])
    galleries[UNUSUAL] = [
        Gallery(
            "",
            [
                show(shown[i], _name(rows.images[shown[i]].path))
                for i in most_unusual(colours, _SHOWN_UNUSUAL)
            ],
        )
    ]
    return galleries


def _examples(
    rows: InspectedRows, thumbnails: Mapping[int, bytes], show: Callable[[int], Picture]
) -> list[Gallery]:
    present = (rows.targets == 1).tocsc()
    present.sort_indices()
    each = min(max(_SHOWN_EXAMPLES // len(rows.names), 1), _SHOWN_OF_LABEL)
    galleries = []
    for label, name in enumerate(rows.names[:_SHOWN_EXAMPLES]):
        own = present.indices[present.indptr[label] : present.indptr[label + 1]]
        images = [int(index) for index in own if int(index) in thumbnails]
        chosen = np.linspace(0, len(images) - 1, min(each, len(images))).astype(int)
        title = f"{_shorten(name)}: {len(own):,}"
        galleries.append(Gallery(title, [show(images[i]) for i in chosen]))
    return galleries


def _name(path: str) -> str:
    """Returns the name of a file, or its end if it is long, for a caption."""
    name = path.rpartition("/")[2]
    if len(name) > _CAPTION_CHARACTERS:
        return f"…{name[1 - _CAPTION_CHARACTERS :]}"
    return name


def _splits(split: np.ndarray, members: Sequence[int]) -> int:
    return len(set(split[members].tolist()))


def _marks(rows: InspectedRows, index: int) -> str:
    row = rows.images[index]
    return ", ".join([*row.labels, *(f"?{name}" for name in row.unknown)]) or "none"


def _figures(rows: InspectedRows, counts: _Counts) -> list[Figure]:
    figures = []
    headers = [check.header for check in rows.checks if check.header is not None]
    if headers:
        figure = Figure(figsize=(4.6, 3.6), layout="constrained")
        axes = figure.add_subplot(title="Sizes", xlabel="width", ylabel="height")
        widths, heights = zip(*((h.width, h.height) for h in headers), strict=True)
        axes.hexbin(widths, heights, gridsize=40, bins="log", cmap="viridis", mincnt=1)
        figures.append(figure)
    chosen = _most_frequent(counts.totals[counts.compared], _MOST_DRAWN)
    side = max(4.6, 0.16 * len(chosen) + 1.5)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot(
        title="Share of the images with the row's label that show the column's label"
    )
    shares = counts.pairs / np.maximum(counts.pairs_known, 1)
    image = axes.imshow(shares[np.ix_(chosen, chosen)], cmap="viridis", vmin=0, vmax=1)
    names = [_shorten(rows.names[i]) for i in counts.compared[chosen]]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    figure.colorbar(image, shrink=0.6)
    figures.append(figure)
    return figures


def _shorten(name: str) -> str:
    # A figure grows with its texts, and so does its memory.
    if len(name) > _DRAWN_CHARACTERS:
        return name[: _DRAWN_CHARACTERS - 1] + "…"
    return name


def _cut(count: int) -> str:
    return (
        f"\n\nFirst {_SHOWN_ROWS:,} of {count:,} rows." if count > _SHOWN_ROWS else ""
    )
