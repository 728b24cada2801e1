"""Checks of the rows of a dataset, and of their images, before a training."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
from scipy.sparse import csr_array

from kmlic.check_limits import FRACTIONS
from kmlic.count_noun import count_noun
from kmlic.data.check_images import ImageCheck, check_images, shorten
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.limits import Limits
from kmlic.data.multi_label_data import SPLITS, SkippedRow
from kmlic.data.read_label_names import read_label_names
from kmlic.data.splits import FEWEST_WITH_TEST, read_splits, split_images
from kmlic.data.storage import join

# Value in the sparse targets of rows that list what is absent.
LISTED_ABSENT = 2


@dataclass(frozen=True, eq=False)
class InspectedRows:
    """Holds the usable images of a dataset and what is wrong with the others.

    Args:
        listing: where they come from.
        names: the labels, in order.
        images: the usable rows.
        checks: what is known of the file of each image.
        targets: (N, L) int8, sparse: 1 present, -1 unknown, absent elsewhere; with
            `unlisted_unknown` 1 present, LISTED_ABSENT absent, unknown elsewhere.
        skipped: the rows that are not usable, and why.
    """

    listing: Listing
    names: tuple[str, ...]
    images: tuple[ImageRow, ...]
    checks: tuple[ImageCheck, ...]
    targets: csr_array
    skipped: tuple[SkippedRow, ...]

    def split(
        self,
        splitting: str | Path = "stratified",
        *,
        fractions: Sequence[float] | None = FRACTIONS,
        num_folds: int | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Returns the split of each image: the one its row names, or a new one.

        New splits depend on the images, their labels, the fractions and the seed, not
        on the order of the labels.

        Shapes: (N,) int8: 0 training, 1 validation, 2 test.

        Args:
            splitting: see `build_from_listing`.
            fractions: of training, validation and test images; None for the default,
                but fewer than 50 images, which `kmlic train` cross-validates, are all
                for training.
            num_folds: see `split_images`; only for new splits.
            seed: of new splits.

        Raises:
            ValueError: naming the first image without a split where others have one, or
                if a new split gets no image or `num_folds` meets splits that are given.
        """
        if splitting == "none":
            return np.full(len(self.images), SPLITS.index("test"), np.int8)
        source = self.listing.source
        given = [row.split for row in self.images]
        if splitting not in ("stratified", "random") and not any(given):
            splits = read_splits(splitting)
            missing = [row for row in self.images if row.path not in splits]
            if missing:
                raise ValueError(
                    f"{splitting} must give every image of {source} a split; "
                    f"{len(missing)} have none, the first is {missing[0].path!r}."
                )
            given = [splits[row.path] for row in self.images]
            source = splitting
        if not any(given):
            if fractions is None and len(self.images) < FEWEST_WITH_TEST:
                return np.full(len(self.images), SPLITS.index("train"), np.int8)
            return split_images(
                self.targets[:, np.argsort(self.names)],
                fractions=FRACTIONS if fractions is None else fractions,
                groups=(self.digests, [row.group or None for row in self.images]),
                method="random" if splitting == "random" else "stratified",
                num_folds=num_folds,
                seed=seed,
            )
        if num_folds is not None:
            raise ValueError(
                f"{source} must not name the splits of images that are divided into "
                f"folds; got num_folds={num_folds}. Leave out one or the other."
            )
        if not all(given):
            first = self.images[given.index("")]
            row = f" row {first.row}" if first.row else ""
            raise ValueError(
                f"{source}{row}: every image must have a split, or none; "
                f"{first.path!r} has none."
            )
        return np.array([SPLITS.index(name) for name in given], np.int8)

    @property
    def unlisted_unknown(self) -> bool:
        """Returns whether labels that a row does not list are unknown."""
        return self.listing.unlisted == "unknown"

    def dense_targets(self, members: np.ndarray | None = None) -> np.ndarray:
        """Returns the targets of images as an array: 1 present, 0 absent, -1 unknown.

        Shapes: (len(members), L) int8.

        Args:
            members: indices of the images; all of them when None.
        """
        targets = self.targets if members is None else self.targets[members]
        dense = targets.toarray()
        if self.unlisted_unknown:
            dense -= 1  # 0 for present, 1 for absent, -1 for unknown
            dense[dense >= 0] ^= 1
        return dense

    @property
    def lack(self) -> str:
        """Says why there is nothing to train on: no usable image, or no label."""
        if self.images:
            images = count_noun(len(self.images), "usable image")
            return f"it has {images}, none with a label"
        text = f"{len(self.skipped)} of {len(self.listing.rows)} rows are not usable"
        if not self.skipped:
            return text
        bad = self.skipped[0]
        where = f"row {bad.row}, {bad.path}" if bad.row else bad.path
        return f"{text}: {where}: {bad.reason.rstrip('.')}"

    @property
    def splits_are_given(self) -> bool:
        """Returns whether the rows name their splits."""
        return any(row.split for row in self.images)

    def short_digests(self, members: np.ndarray) -> np.ndarray:
        """Returns what identifies the images with these indices, (N,) uint64.

        Images that were not read are identified by their path.
        """
        root = _absolute(self.listing.root)
        return shorten(
            self.checks[index].digest
            or hashlib.sha256(join(root, self.images[index].path).encode()).digest()
            for index in members
        )

    @property
    def digests(self) -> list[bytes | None]:
        """Returns the SHA-256 of each image's file, None if it was not read."""
        return [check.digest or None for check in self.checks]

    def copies(self) -> list[list[int]]:
        """Returns the sets of images that are exact copies of each other."""
        sets: dict[bytes, list[int]] = {}
        for index, digest in enumerate(self.digests):
            if digest is not None:
                sets.setdefault(digest, []).append(index)
        return [members for members in sets.values() if len(members) > 1]

    def conflicts(self, copies: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
        """Returns the copies whose labels differ from those of the first copy."""
        return [
            (members[0], other)
            for members in copies
            for other in members[1:]
            if self._marks(members[0]) != self._marks(other)
        ]

    def _marks(self, index: int) -> dict[int, int]:
        """Returns the column and value of each target of an image that is not 0."""
        start, end = self.targets.indptr[index : index + 2]
        columns, values = self.targets.indices[start:end], self.targets.data[start:end]
        return dict(zip(columns.tolist(), values.tolist(), strict=True))


def inspect_rows(
    listing: Listing,
    *,
    label_names: Sequence[str] | str | Path | None = None,
    check: Literal["decode", "header", "none"] = "decode",
    describe: Callable[[np.ndarray], Any] | None = None,
    **limits: Unpack[Limits],
) -> InspectedRows:
    """Checks every row and every image, and collects the targets.

    Args:
        listing: the rows.
        label_names: see `build_from_listing`.
        check: see `build_from_listing`.
        describe: see `check_images`.
        **limits: see `Limits`.

    Raises:
        ValueError: if there is no row or the label names cannot be read.
    """
    rows, source, root, own_names, *_ = listing
    if not rows:
        raise ValueError(f"{source} must list at least one image; it lists none.")
    wanted_names = own_names if label_names is None else label_names
    known = () if wanted_names is None else read_label_names(wanted_names)
    problems = [row.problem for row in rows]
    _check_rows(rows, root, known, problems)
    wanted = [index for index, problem in enumerate(problems) if not problem]
    checks = check_images(
        [join(root, rows[index].path) for index in wanted],
        depth=check,
        describe=describe,
        **limits,
    )
    for index, result in zip(wanted, checks, strict=True):
        problems[index] = result.problem
    images = tuple(row for row, bad in zip(rows, problems, strict=True) if not bad)
    names = known or tuple(sorted({name for row in images for name in row.labels}))
    return InspectedRows(
        listing,
        names,
        images,
        tuple(result for result in checks if not result.problem),
        _targets(images, names, listing.unlisted == "unknown"),
        tuple(
            SkippedRow(row.row, row.path, problem)
            for row, problem in zip(rows, problems, strict=True)
            if problem
        ),
    )


def _check_rows(
    rows: Sequence[ImageRow],
    root: str | Path,
    known: Sequence[str],
    problems: list[str],
) -> None:
    top = _absolute(root)
    inside = top.rstrip("/") + "/"
    allowed = set(known)
    seen: dict[str, int] = {}
    for index, row in enumerate(rows):
        if problems[index]:
            continue
        full_path = os.path.normpath(join(top, row.path))
        unknown = sorted({*row.labels, *row.unknown} - allowed) if known else []
        if not row.path:
            problems[index] = "the path must not be empty"
        elif "\0" in row.path or not f"{full_path}/".startswith(inside):
            problems[index] = (
                f"the path must stay inside {root}, or another --root; got {row.path!r}"
            )
        elif full_path in seen:
            first = f"in row {seen[full_path]} already" if seen[full_path] else "twice"
            problems[index] = (
                f"an image must be listed once; {row.path!r} is listed {first}"
            )
        elif unknown:
            problems[index] = (
                f"labels must be among the {len(known)} known ones; got {unknown}"
            )
        elif row.split and row.split not in SPLITS:
            problems[index] = f"split must be one of {SPLITS}; got {row.split!r}"
        seen.setdefault(full_path, row.row)


def _absolute(root: str | Path) -> str:
    if "://" in os.fspath(root):
        return os.path.normpath(root)
    return os.path.abspath(root)  # noqa: PTH100 - resolve would follow links


def _targets(
    images: Sequence[ImageRow], names: Sequence[str], unlisted_unknown: bool
) -> csr_array:
    column = {name: index for index, name in enumerate(names)}
    starts: list[int] = [0]
    columns: list[int] = []
    values: list[int] = []
    for row in images:
        other = LISTED_ABSENT if unlisted_unknown else -1
        others = row.absent if unlisted_unknown else row.unknown
        marks = {column[name]: other for name in others if name in column}
        marks |= {column[name]: 1 for name in row.labels}
        columns.extend(marks)
        values.extend(marks.values())
        starts.append(len(columns))
    return csr_array(
        (np.array(values, np.int8), np.array(columns, np.int32), np.array(starts)),
        shape=(len(images), len(names)),
    )
