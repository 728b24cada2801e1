"""A dataset of one's own judged before a training."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from scipy.sparse import csr_array

from kmlic.data.inspect_rows import InspectedRows, inspect_rows
from kmlic.data.multi_label_data import SPLITS, write_splits
from kmlic.data.near_duplicates import near_duplicates, perceptual_hash
from kmlic.data.read_listing import Difficult, Layout, read_listing
from kmlic.graphs import adjacency, isolated_labels
from kmlic.html_report import Section, write_report

_SHOWN_ROWS = 1000
_FEW = 5
_SMALL_SIDE = 32
_MOST_DRAWN = 100
_MOST_PAIRS = 30


@dataclasses.dataclass(frozen=True)
class Finding:
    """Holds one thing that is worth knowing of a dataset.

    Args:
        level: "error" spoils a training, "warning" may, "note" does not.
        title: what was found.
        count: how often.
        text: what it means and what to do.
        header: of the rows.
        rows: each place.
    """

    level: Literal["error", "warning", "note"]
    title: str
    count: int
    text: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class DataCheck:
    """Holds what is known of a dataset: facts, labels, findings and splits.

    Args:
        facts: name to text.
        labels: a row per label: name, images with it in each split, share of the
            images where it is known, share of the images where it is not.
        findings: those that occur, errors first.
        paths: split to the images in it.
        figures: sizes of the images, and how labels go together.
    """

    facts: dict[str, str]
    labels: list[list[str]]
    findings: list[Finding]
    paths: dict[str, tuple[str, ...]]
    figures: list[Figure]

    LABEL_HEADER = ("label", *SPLITS, "share, %", "unknown, %")

    @property
    def spoils_a_training(self) -> bool:
        """Tells whether any finding is an error."""
        return any(finding.level == "error" for finding in self.findings)

    def write_splits(self, path: str | Path) -> None:
        """Writes which image is in which split, for `splitting` of the readers."""
        write_splits(path, self.paths)

    def write_report(self, path: str | Path) -> None:
        """Writes everything as one HTML file."""
        found = [[f.level, f"{f.count:,}", f.title] for f in self.findings]
        sections = [
            Section("Dataset", rows=[[k, v] for k, v in self.facts.items()]),
            Section(
                "Findings",
                "Errors spoil a training; warnings may." if found else "Nothing.",
                ["level", "count", "finding"] if found else (),
                found,
            ),
            *(
                Section(
                    f.title,
                    f.text + _cut(len(f.rows)),
                    f.header,
                    f.rows[:_SHOWN_ROWS],
                )
                for f in self.findings
            ),
            Section("Labels", header=self.LABEL_HEADER, rows=self.labels),
            Section("Pictures of the whole", figures=self.figures),
        ]
        write_report(path, f"Check of {self.facts['source']}", sections)


def check_data(
    path: str | Path,
    *,
    layout: Layout | None = None,
    root: str | Path | None = None,
    separator: str | None = None,
    difficult: Difficult = "unknown",
    label_names: Sequence[str] | str | Path | None = None,
    images: Literal["decode", "header", "none"] = "decode",
    near: int | None = 4,
    splitting: str | Path = "stratified",
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    seed: int = 0,
    graph_threshold: float = 0.4,
) -> DataCheck:
    """Looks at every row, image and label of a dataset and tells what would go wrong.

    Splits that the dataset does not give are made, as the readers would make them, so
    that what is said of them holds in the training.

    Args:
        path: see `read_listing`.
        layout: see `read_listing`.
        root: see `read_listing`.
        separator: see `read_listing`.
        difficult: see `read_listing`.
        label_names: names in the order of the model's outputs, or a text file with one
            a line; those found when None.
        images: "decode" every image, read each one's "header", or open "none".
        near: most bits, of 64, in which the perceptual hashes of near duplicates
            differ; None does not look for them. Needs images="decode".
        splitting: "stratified", "random", or a CSV with columns path and split.
        fractions: of training, validation and test images.
        seed: of new splits.
        graph_threshold: share of a label's images from which another one counts as its
            neighbour in a label graph.

    Raises:
        ValueError: if the dataset cannot be read at all, or no image of it is usable.
    """
    listing = read_listing(
        path, layout=layout, root=root, separator=separator, difficult=difficult
    )
    hashed = near is not None and images == "decode"
    rows = inspect_rows(
        listing,
        label_names=label_names,
        check=images,
        describe=perceptual_hash if hashed else None,
    )
    if not rows.images or not rows.names:
        first = f" {rows.skipped[0].reason}." if rows.skipped else ""
        raise ValueError(
            f"{path} must list a usable image, and give one a label; "
            f"{len(rows.skipped)} of {len(listing.rows)} rows are not usable.{first}"
        )
    split = rows.split(splitting, fractions=fractions, seed=seed)
    counts = _Counts(rows.targets, split)
    given = rows.splits_are_given or splitting not in ("stratified", "random")
    findings = [
        _unusable(rows),
        *_copies(rows, split, given),
        *(_alike(rows, split, near) if hashed and near is not None else ()),
        *_labels(rows, counts),
        *_companions(rows, counts, graph_threshold),
        *_images(rows),
    ]
    order = ("error", "warning", "note")
    return DataCheck(
        facts=_facts(rows, split, given),
        labels=_label_rows(rows, counts),
        findings=sorted(
            (f for f in findings if f.count), key=lambda f: order.index(f.level)
        ),
        paths={
            name: tuple(rows.images[i].path for i in np.flatnonzero(split == number))
            for number, name in enumerate(SPLITS)
        },
        figures=_figures(rows, counts),
    )


class _Counts:
    """Counts labels by split, and pairs of labels, without making targets dense."""

    def __init__(self, targets: csr_array, split: np.ndarray):
        present = (targets == 1).astype(np.int64)
        unknown = (targets == -1).astype(np.int64)
        self.images = targets.shape[0]
        self.present = np.array(
            [present[split == number].sum(axis=0) for number in range(len(SPLITS))]
        )
        self.known = np.array(
            [
                (split == number).sum() - unknown[split == number].sum(axis=0)
                for number in range(len(SPLITS))
            ]
        )
        self.unknown = unknown.sum(axis=0)
        self.totals = self.present.sum(axis=0)
        self.pairs = (present.T @ present).toarray()
        # Images with i where it is known whether they have j.
        self.pairs_known = self.totals[:, None] - (present.T @ unknown).toarray()
        np.fill_diagonal(self.pairs, 0)


def _facts(rows: InspectedRows, split: np.ndarray, given: bool) -> dict[str, str]:
    headers = [check.header for check in rows.checks if check.header is not None]
    sizes = np.bincount(split, minlength=len(SPLITS))
    facts = {
        "source": str(rows.listing.source),
        "rows": f"{len(rows.listing.rows):,}",
        "usable images": f"{len(rows.images):,}",
        "labels": f"{len(rows.names):,}",
        "labels an image": f"{(rows.targets == 1).sum() / len(rows.images):.2f}",
        "splits": ", ".join(f"{n:,} {s}" for s, n in zip(SPLITS, sizes, strict=True))
        + (" (given)" if given else " (made here)"),
    }
    if headers:
        kinds = sorted({header.format for header in headers})
        sides = np.array([(header.width, header.height) for header in headers])
        low, middle, high = np.percentile(sides, [0, 50, 100], axis=0).astype(int)
        facts["formats"] = ", ".join(
            f"{sum(header.format == kind for header in headers):,} {kind}"
            for kind in kinds
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


def _unusable(rows: InspectedRows) -> Finding:
    return Finding(
        "error",
        "Rows that cannot be used",
        len(rows.skipped),
        'They stop a training unless on_error="skip" leaves them out.',
        ("row", "image", "reason"),
        [[str(bad.row or "-"), bad.path, bad.reason] for bad in rows.skipped],
    )


def _copies(rows: InspectedRows, split: np.ndarray, given: bool) -> list[Finding]:
    copies = rows.copies()
    conflicts = rows.conflicts(copies)
    across = [m for m in copies if len(set(split[m].tolist())) > 1]
    return [
        Finding(
            "error",
            "Exact copies in several splits",
            len(across),
            "The model is tested on images it was trained on. Leave out the column "
            "split, or the file of splits, and copies are kept together.",
            *_image_sets(rows, split, across),
        ),
        Finding(
            "warning",
            "Exact copies with other labels",
            len(conflicts),
            "At most one of each pair is right.",
            ("image", "labels", "copy", "its labels"),
            [
                [text for i in pair for text in (rows.images[i].path, _marks(rows, i))]
                for pair in conflicts
            ],
        ),
        Finding(
            "note",
            "Sets of exact copies",
            len(copies),
            "" if given else "Each set is kept in one split.",
            *_image_sets(rows, split, copies),
        ),
    ]


def _alike(rows: InspectedRows, split: np.ndarray, near: int) -> list[Finding]:
    hashes = np.array([check.description for check in rows.checks], np.uint64)
    digests = rows.digests
    sets = [
        members
        for members in near_duplicates(hashes, distance=near)
        if len({digests[i] for i in members}) > 1
    ]
    across = [m for m in sets if len(set(split[m].tolist())) > 1]
    within = [m for m in sets if len(set(split[m].tolist())) == 1]
    return [
        Finding(
            "warning",
            "Images that look alike in several splits",
            len(across),
            "Perceptual hashes that are close. If they show the same thing, scores are "
            "too good: give them the same text in a column group.",
            *_image_sets(rows, split, across),
        ),
        Finding(
            "note",
            "Images that look alike in one split",
            len(within),
            "",
            *_image_sets(rows, split, within),
        ),
    ]


def _labels(rows: InspectedRows, counts: _Counts) -> list[Finding]:
    names = rows.names
    train, known = counts.present[0], counts.known[0]
    few = (train > 0) & (train < _FEW)
    untested = (train > 0) & (counts.present[1:] == 0).any(axis=0)
    mostly_unknown = counts.unknown > counts.images / 2
    return [
        Finding(
            "error",
            "Labels without a training image",
            int((train == 0).sum()),
            "They cannot be learned.",
            ("label",),
            [[names[i]] for i in np.flatnonzero(train == 0)],
        ),
        Finding(
            "error",
            "Labels that every training image has",
            int(((train == known) & (train > 0)).sum()),
            "There is nothing to tell them from.",
            ("label", "images"),
            [
                [names[i], f"{train[i]:,}"]
                for i in np.flatnonzero((train == known) & (train > 0))
            ],
        ),
        Finding(
            "warning",
            f"Labels with fewer than {_FEW} training images",
            int(few.sum()),
            "They will hardly be learned.",
            ("label", "images"),
            [[names[i], str(train[i])] for i in np.flatnonzero(few)],
        ),
        Finding(
            "warning",
            "Labels without a validation or test image",
            int(untested.sum()),
            "Their average precision cannot be told; mAP leaves them out.",
            ("label", *SPLITS),
            [
                [names[i], *(f"{n:,}" for n in counts.present[:, i])]
                for i in np.flatnonzero(untested)
            ],
        ),
        Finding(
            "warning",
            "Labels that are unknown for most images",
            int(mostly_unknown.sum()),
            "Losses and metrics leave unknown entries out.",
            ("label", "unknown, %"),
            [
                [names[i], f"{100 * counts.unknown[i] / counts.images:.1f}"]
                for i in np.flatnonzero(mostly_unknown)
            ],
        ),
    ]


def _companions(
    rows: InspectedRows, counts: _Counts, graph_threshold: float
) -> list[Finding]:
    names, totals, pairs = rows.names, counts.totals, counts.pairs
    graph = adjacency(pairs, counts.pairs_known, threshold=graph_threshold)
    isolated = isolated_labels(graph, names)
    one, other = np.nonzero(np.triu(pairs))
    together = (pairs[one, other] == totals[one]) & (pairs[one, other] == totals[other])
    often = np.argsort(-pairs[one, other], kind="stable")[:_MOST_PAIRS]
    return [
        Finding(
            "warning",
            "Labels that always stand together",
            int(together.sum()),
            "No image tells them apart.",
            ("label", "label", "images"),
            [
                [names[i], names[j], f"{pairs[i, j]:,}"]
                for i, j in zip(one[together], other[together], strict=True)
            ],
        ),
        Finding(
            "note",
            "Labels alone in the label graph",
            len(isolated.alone),
            f"With threshold {graph_threshold:g}: {isolated}",
            ("label", "images"),
            [[n, f"{totals[names.index(n)]:,}"] for n in isolated.alone],
        ),
        Finding(
            "note",
            "Pairs of labels that go together",
            len(one),
            f"The {len(often)} most frequent; shares of each one's images that show "
            "the other.",
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
            len(empty),
            "They are trained on as showing none.",
            ("image",),
            [[rows.images[i].path] for i in empty],
        ),
        Finding(
            "warning",
            f"Images with a side below {_SMALL_SIDE} pixels",
            len(small),
            "",
            ("image", "width", "height"),
            [[path, str(h.width), str(h.height)] for path, h in small],
        ),
    ]


def _image_sets(
    rows: InspectedRows, split: np.ndarray, sets: Sequence[Sequence[int]]
) -> tuple[tuple[str, ...], list[list[str]]]:
    return ("set", "image", "split", "labels"), [
        [
            str(number),
            rows.images[index].path,
            SPLITS[split[index]],
            _marks(rows, index),
        ]
        for number, members in enumerate(sets, start=1)
        for index in members
    ]


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
    chosen = np.sort(np.argsort(-counts.totals, kind="stable")[:_MOST_DRAWN])
    side = max(4.6, 0.16 * len(chosen) + 1.5)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot(
        title="Share of a row's images that show the column's label"
    )
    shares = counts.pairs / np.maximum(counts.pairs_known, 1)
    image = axes.imshow(shares[np.ix_(chosen, chosen)], cmap="viridis", vmin=0, vmax=1)
    names = [rows.names[i] for i in chosen]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    figure.colorbar(image, shrink=0.6)
    figures.append(figure)
    return figures


def _cut(count: int) -> str:
    return f"\n\nThe first {_SHOWN_ROWS:,} of {count:,}." if count > _SHOWN_ROWS else ""
