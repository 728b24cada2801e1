"""The first stage: everything that is known of the data before a training."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from kmlic.classifier.classifier_settings import ClassifierSettings
from kmlic.classifier.find_groups import find_groups
from kmlic.classifier.images import (
    TEST,
    TRAIN,
    Images,
    StoredPixels,
    fingerprint,
    store_images,
)
from kmlic.data import DatasetSpec, MultiLabelData
from kmlic.data.file_pixels import FilePixels
from kmlic.data.finding import Finding
from kmlic.data.from_dataframe import list_dataframe
from kmlic.data.image_row import Listing
from kmlic.data.inspect_rows import InspectedRows, inspect_rows
from kmlic.data.read_listing import complete_listing, read_listing
from kmlic.data.reading_options import DEFAULT_READING, ReadingOptions
from kmlic.data.splits import FEWEST_TO_TRAIN
from kmlic.data.storage import is_file, is_folder, join
from kmlic.data_check import check_rows, find_one_set, make_describer
from kmlic.datasets.load_dataset import load_dataset
from kmlic.experiments.describe_data import SPLIT_BY_TRAIN
from kmlic.html_report import Gallery
from kmlic.known_names import DATASETS
from kmlic.labels import Labels

_SHOWN = 5
# The model that is exported is fitted to both.
_FITTED = ("train", "validation")
_DEFAULTS = ClassifierSettings()


@dataclasses.dataclass(frozen=True, eq=False)
class Checked:
    """Holds the usable images and what was found wrong with the data.

    Args:
        images: those that can be trained on or tested with.
        findings: errors and warnings of `kmlic data check` that a training survives,
            such as a label without a training image.
        dataset: what the images come from if it was no file or folder.
        skipped: rows that were left out because they are not usable.
        summary: how the files were read, in one line.
        galleries: title of a finding to thumbnails of the images that it names.
        reading: how the files of a path were read; None for other data.
    """

    images: Images
    findings: tuple[Finding, ...]
    dataset: MultiLabelData | None = None
    skipped: int = 0
    summary: str = ""
    galleries: Mapping[str, Sequence[Gallery]] = dataclasses.field(default_factory=dict)
    reading: ReadingOptions | None = None


def check(
    data: Any,
    folder: Path,
    settings: ClassifierSettings = _DEFAULTS,
    *,
    test: Any = None,
    reading: ReadingOptions | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Checked:
    """Reads the data, checks every image and label, and fixes the splits.

    Data that names its splits keeps them. Other data keeps a fifth of its images,
    stratified by labels, for the test, unless the settings have other `fractions`,
    `test` is given or it has fewer than 50 images. Exact copies stay together.

    Args:
        data: a path that `kmlic data check` reads, the name of a dataset, a pandas
            DataFrame with a column path, or a `MultiLabelData`.
        folder: for what has to be kept on the disk.
        settings: its seed makes new splits, its image size, or else 224, is that of a
            named dataset; its limits are those of image files.
        test: images for the test alone, given like `data`, with the same labels.
        reading: how paths are read, see `read_listing`; the paths in a DataFrame are
            relative to its root, the current folder when None. For a dataset with a
            name, the root is its folder.
        groups: group name to labels of which an image has exactly one; found when None
            if every image has exactly one label.

    Raises:
        ValueError: if the data cannot be trained on; says why and what to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reading = reading or DEFAULT_READING
    if _is_dataset(data):
        return _check_dataset(data, folder, settings, test, reading, groups)
    listing = _read(data, reading)
    if groups is None and listing.unlisted != "unknown":
        known = [row for row in listing.rows if row.labels and not row.unknown]
        if len(known) == len(listing.rows):
            groups = find_groups([row.labels for row in known])
    rows = _inspect(listing, _names_of(groups, listing), settings)
    inspected = [rows]
    test_listing = None
    if test is None:
        split, given = _split(rows, settings)
        images, everything = _images(rows, split, groups, settings), rows
    else:
        settings.check_test()
        own = _training_images(rows, groups, settings)
        test_listing = _read(test, reading)
        other, test_rows = _test_images(test_listing, own, settings)
        images, everything, given = _join(own, other), _join_rows(rows, test_rows), True
        inspected.append(test_rows)
    checked = check_rows(
        everything, images.split, splits_are_given=given, fitted=_FITTED
    )
    findings = checked.findings
    if not (images.split == TEST).any():
        # There are no test images among these, on purpose.
        findings = [f for f in findings if "validation or test" not in f.title]
    if settings.on_error == "raise":
        _require_usable(inspected)
    _require_different(everything, images.split)
    _require_something_to_learn(images)
    _require_unseen(images, test_listing)
    findings = [*findings, *_unused(groups, listing)]
    serious = tuple(finding for finding in findings if finding.level != "note")
    titles = {finding.title for finding in serious}
    return Checked(
        images,
        serious,
        skipped=sum(len(each.skipped) for each in inspected),
        summary=rows.listing.summary,
        galleries={k: v for k, v in checked.galleries.items() if k in titles},
        reading=reading if isinstance(data, str | os.PathLike) else None,
    )


def _is_dataset(data: Any) -> bool:
    if isinstance(data, MultiLabelData):
        return True
    if not isinstance(data, str | os.PathLike):
        return False
    return not (is_file(os.fspath(data)) or is_folder(os.fspath(data)))


def _check_dataset(
    data: Any,
    folder: Path,
    settings: ClassifierSettings,
    test: Any,
    reading: ReadingOptions,
    groups: Mapping[str, Sequence[str]] | None,
) -> Checked:
    settings.check_dataset(test, groups)
    source = str(data)
    if not isinstance(data, MultiLabelData):
        name = os.fspath(data)
        if name not in DATASETS and (os.sep in name or "." in name):
            raise ValueError(f"{name} must be a file or folder; there is none.")
        if name not in DATASETS:
            raise ValueError(
                f"{name} must be a file, a folder or the name of a dataset; there is "
                f"no such file or folder, and the datasets are {', '.join(DATASETS)}."
            )
        data = load_dataset(
            name,
            data_dir=reading.root,
            image_size=settings.image_size or 224,
            batch_size=32,
            seed=settings.seed,
            augmentation="none",
            cache=False,
            pixels="uint8",
        )
    else:
        source = "the dataset"
    images = store_images(data, folder, source)
    _require_something_to_learn(images)
    _require_unseen(images)
    spec = data.spec or DatasetSpec(SPLIT_BY_TRAIN, source, settings.seed)
    # Pixels are stored as whole numbers.
    spec = dataclasses.replace(spec, options={**spec.options, "pixels": "uint8"})
    return Checked(images, (), dataclasses.replace(data, spec=spec))


def _read(data: Any, reading: ReadingOptions) -> Listing:
    if isinstance(data, str | os.PathLike):
        return read_listing(os.fspath(data), reading).require_no_errors()
    if not hasattr(data, "to_csv"):
        raise ValueError(
            "`data` must be a path, the name of a dataset, a pandas DataFrame or a "
            f"MultiLabelData; got {type(data).__name__}."
        )
    root = Path.cwd() if reading.root is None else reading.root
    listing = list_dataframe(data, root, reading)
    return complete_listing(listing, reading).require_no_errors()


def _names_of(
    groups: Mapping[str, Sequence[str]] | None, listing: Listing
) -> list[str] | None:
    """Returns the labels of groups, which must hold every label of the images."""
    if groups is None:
        return None
    names = [name for members in groups.values() for name in members]
    found = _found(listing)
    if missing := sorted(found.difference(names)):
        unused = sorted(set(names) - found)
        also = f" No image has their labels {', '.join(unused[:_SHOWN])}." * bool(
            unused
        )
        raise ValueError(
            f"the groups must hold every label of {listing.source}; "
            f"{', '.join(missing[:_SHOWN])} {'is' if len(missing) == 1 else 'are'} in "
            f"none of {', '.join(groups)}.{also} Correct the file of --groups."
        )
    return names


def _unused(
    groups: Mapping[str, Sequence[str]] | None, listing: Listing
) -> list[Finding]:
    found = _found(listing)
    rows = [
        [group, name]
        for group, names in (groups or {}).items()
        for name in names
        if name not in found
    ]
    if not rows:
        return []
    return [
        Finding(
            "warning",
            "Labels of the groups that no image has",
            "Correct the file of --groups if they are misspelt.",
            ("group", "label"),
            rows,
        )
    ]


def _found(listing: Listing) -> set[str]:
    return {name for row in listing.rows for name in (*row.labels, *row.unknown)}


def _require_known(test: Listing, own: Images) -> None:
    if others := sorted(_found(test).difference(own.labels.names)):
        raise ValueError(
            f"{test.source} must have labels of {own.source} only; "
            f"{', '.join(others[:_SHOWN])} {'is' if len(others) == 1 else 'are'} not. "
            "Correct them, or leave out images that have them with --on_error skip."
        )


def _inspect(
    listing: Listing, names: Sequence[str] | None, settings: ClassifierSettings
) -> InspectedRows:
    rows = inspect_rows(
        listing,
        label_names=names,
        describe=make_describer(hashed=True, thumbnails_of=len(listing.rows)),
        **settings.limits,
    )
    if not rows.images or not rows.names:
        raise ValueError(
            f"{listing.source} must list a usable image with a label; {rows.lack}."
        )
    return rows


def _split(
    rows: InspectedRows, settings: ClassifierSettings
) -> tuple[np.ndarray, bool]:
    if rows.splits_are_given:
        return _named_splits(rows), True
    try:
        return rows.split(fractions=settings.fractions, seed=settings.seed), False
    except ValueError:
        _require_different(rows, np.full(len(rows.images), TRAIN, np.int8))
        raise


def _training_images(
    rows: InspectedRows,
    groups: Mapping[str, Sequence[str]] | None,
    settings: ClassifierSettings,
) -> Images:
    """Returns the images of data beside which the test images are given."""
    if any(row.split == "test" for row in rows.images):
        raise ValueError(
            f"`test` must be None where {rows.listing.source} has test images of its "
            "own in the column split."
        )
    split = np.full(len(rows.images), TRAIN, np.int8)
    if rows.splits_are_given:
        split = _named_splits(rows)
    return _images(rows, split, groups, settings)


def _test_images(
    listing: Listing, own: Images, settings: ClassifierSettings
) -> tuple[Images, InspectedRows]:
    """Returns images for the test alone, with the labels of the training images."""
    if settings.on_error == "raise":
        _require_known(listing, own)
    rows = _inspect(listing, own.labels.names, settings)
    split = np.full(len(rows.images), TEST, np.int8)
    return _images(rows, split, own.labels.groups, settings), rows


def _named_splits(rows: InspectedRows) -> np.ndarray:
    split = rows.split()
    if not (split == TRAIN).any():
        raise ValueError(
            f"{rows.listing.source} must have training images; no row has the split "
            "train."
        )
    return split


def _images(
    rows: InspectedRows,
    split: np.ndarray,
    groups: Mapping[str, Sequence[str]] | None,
    settings: ClassifierSettings,
) -> Images:
    listing = rows.listing
    targets = rows.dense_targets()
    files = np.array([os.fsencode(join(listing.root, r.path)) for r in rows.images])
    if groups is None and _one_label_each(rows):
        groups = {"label": rows.names}
    labels = Labels(rows.names)
    if groups is not None:
        members = {name: tuple(names) for name, names in groups.items()}
        labels = Labels(rows.names, members, exclusive=True)
        for group, columns in labels.exclusive_groups.items():
            present = (targets[:, columns] == 1).sum(axis=1)
            if (several := np.flatnonzero(present > 1)).size:
                raise ValueError(
                    f"`groups` must hold labels of which an image has exactly one; "
                    f"{rows.images[several[0]].path!r} has {present[several[0]]} of "
                    f"the group {group!r}."
                )
            targets[present == 0, columns] = -1
    headers = [check.header for check in rows.checks if check.header is not None]
    boxes = _boxes(rows)
    sides = [min(header.width, header.height) for header in headers]
    if boxes is not None:
        sides = np.minimum(
            boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        ).tolist()
    keys = [row.group or None for row in rows.images]
    return Images(
        source=str(listing.source),
        labels=labels,
        targets=targets,
        split=split,
        paths=tuple(row.path for row in rows.images),
        together=(rows.digests, keys),
        side=int(np.median(sides)),
        image_size=None,
        pixels=FilePixels(
            files,
            np.array([c.header.turn if c.header else 0 for c in rows.checks], np.int32),
            boxes,
            settings.limits,
        ),
        fingerprint=fingerprint(rows.digests, labels, targets, split, boxes),
        digests=rows.short_digests(np.arange(len(files))),
    )


def _one_label_each(rows: InspectedRows) -> bool:
    if rows.unlisted_unknown or len(rows.names) < 2:
        return False
    present = np.asarray((rows.targets == 1).sum(axis=1)).ravel()
    return bool((present == 1).all()) and not (rows.targets == -1).nnz


def _boxes(rows: InspectedRows) -> np.ndarray | None:
    """Returns the boxes to cut out of all images, if the table has them."""
    source = rows.listing.source
    without = [row for row in rows.images if row.part is None]
    if len(without) == len(rows.images):
        return None
    if without:
        raise ValueError(
            f"{source} row {without[0].row}: every image must have a box, or none; "
            f"{without[0].path!r} has none."
        )
    boxes = np.array([row.part for row in rows.images])
    for row, result, box in zip(rows.images, rows.checks, boxes, strict=True):
        header_ = result.header
        if header_ is None:
            continue
        width, height = header_.width, header_.height
        if box[0] >= width or box[1] >= height:
            raise ValueError(
                f"{source} row {row.row}: the box must lie in the image; got "
                f"{tuple(box.tolist())} for {width} x {height} pixels of {row.path!r}."
            )
    return boxes


def _join(own: Images, other: Images) -> Images:
    if isinstance(own.pixels, StoredPixels) or isinstance(other.pixels, StoredPixels):
        raise ValueError("`test` must list files, as the training images do.")
    return dataclasses.replace(
        own,
        targets=np.concatenate([own.targets, other.targets]),
        split=np.concatenate([own.split, other.split]),
        paths=own.paths + other.paths,
        together=tuple(
            [*first, *second]
            for first, second in zip(own.together, other.together, strict=True)
        ),
        pixels=own.pixels.joined(other.pixels),
        fingerprint=fingerprint(
            [own.fingerprint, other.fingerprint],
            own.labels,
            other.targets,
            other.split,
        ),
        digests=None
        if own.digests is None or other.digests is None
        else np.concatenate([own.digests, other.digests]),
    )


def _join_rows(own: InspectedRows, test: InspectedRows) -> InspectedRows:
    """Returns the rows of both, for findings that compare them."""
    tables = (("training", own), ("test", test))
    targets = np.concatenate([own.dense_targets(), test.dense_targets()])
    return InspectedRows(
        listing=own.listing._replace(
            unlisted="absent",
            findings=[
                dataclasses.replace(each, title=f"{each.title}, in the {table} data")
                for table, rows in tables
                for each in rows.listing.findings
            ],
        ),
        names=own.names,
        images=own.images + test.images,
        checks=own.checks + test.checks,
        targets=csr_array(targets),
        skipped=tuple(
            bad._replace(reason=f"in the {table} data: {bad.reason}")
            for table, rows in tables
            for bad in rows.skipped
        ),
    )


def _require_usable(inspected: Sequence[InspectedRows]) -> None:
    for rows in inspected:
        if not rows.skipped:
            continue
        bad = "; ".join(
            f"{f'row {bad.row}, ' if bad.row else ''}{bad.path}: "
            f"{bad.reason.rstrip('.')}"
            for bad in rows.skipped[:_SHOWN]
        )
        raise ValueError(
            f"{rows.listing.source} must list usable images only; not usable: "
            f"{len(rows.skipped)}. {bad}. Correct them, or leave them out with "
            "--on_error skip; `kmlic data check` lists all."
        )


def _require_different(rows: InspectedRows, split: np.ndarray) -> None:
    """Refuses images that all are one image or of one group, as the check calls it."""
    for found in find_one_set(rows, split, np.flatnonzero(split != TEST)):
        raise ValueError(
            f"{rows.listing.source} must have images that can be divided in two, to "
            "fit models to one part and compare them on the other. "
            f"{found.title}: {found.count:,}. {found.text}"
        )


def _require_something_to_learn(images: Images) -> None:
    rows = images.training_rows
    if len(rows) < FEWEST_TO_TRAIN:
        raise ValueError(
            f"{images.source} must have at least {FEWEST_TO_TRAIN} training images to "
            f"compare models on; got {len(rows)}. Add images; a few dozen of each "
            "label are a start."
        )
    targets = images.targets[rows]
    if not ((targets == 1).any(axis=0) & (targets == 0).any(axis=0)).any():
        raise ValueError(
            f"{images.source} must have a label that some training images have and "
            "others have not; there is nothing to learn. Add images without the label, "
            "with other labels, or both."
        )


def _require_unseen(images: Images, test: Listing | None = None) -> None:
    """Refuses a test mostly of images that the model is fitted to."""
    copies, count = len(images.copied_test_rows), len(images.test_rows)
    if copies <= count / 2:
        return
    fix = "give them the split train"
    if test is not None:
        fix = "leave out --test to keep a fifth of the training images for the test"
    source = images.source if test is None else test.source
    raise ValueError(
        f"{source} must have test images of which at most half are exact copies of "
        f"images that the model is fitted to; {copies:,} of the {count:,} are. Remove "
        f"the copies from the test, or {fix}."
    )
