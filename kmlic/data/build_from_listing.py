"""A dataset of a list of image files and their labels, with everything checked."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import tensorflow as tf

from kmlic.check_choice import check_choice
from kmlic.check_limits import FRACTIONS, MAX_BYTES, MAX_PIXELS
from kmlic.data.build_batches import BatchOptions, build_splits, fits_in_cache
from kmlic.data.dataset_spec import DatasetSpec
from kmlic.data.decode_plain import Crop, cut, decode_plain, turn_upright
from kmlic.data.decoding import decode_image, decoded_pixels
from kmlic.data.image_row import Listing
from kmlic.data.inspect_rows import InspectedRows, inspect_rows
from kmlic.data.limits import Limits
from kmlic.data.multi_label_data import SPLITS, MultiLabelData
from kmlic.data.storage import join
from kmlic.labels import Labels

# Problems that an error lists; it counts the others.
_SHOWN = 20

_log = logging.getLogger(__name__)


class RowOptions(BatchOptions, Limits, total=False):
    """Names the options of `build_from_listing`, which every reader passes on."""

    label_names: Sequence[str] | str | Path | None
    label_groups: Mapping[str, Sequence[str]] | None
    on_error: Literal["raise", "skip"]
    fractions: Sequence[float]
    num_folds: int | None
    splitting: str | Path
    check: Literal["decode", "header", "none"]


def build_from_listing(
    listing: Listing,
    *,
    label_names: Sequence[str] | str | Path | None = None,
    label_groups: Mapping[str, Sequence[str]] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    fractions: Sequence[float] = FRACTIONS,
    num_folds: int | None = None,
    splitting: str | Path = "stratified",
    check: Literal["decode", "header", "none"] = "decode",
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    **options: Unpack[BatchOptions],
) -> MultiLabelData:
    """Checks, splits and batches the image files that a file or folder lists.

    Nothing is left out unless `on_error` asks for it. Exact copies of an image, found
    by their SHA-256, stay in one split; those with different labels are logged.

    Args:
        listing: the images and their labels. Its root may be in a store, such as gs://.
        label_names: names in the order of the model's outputs, or a text file with one
            name per line; the listing's own, or else the sorted names found, when None.
        label_groups: group name to the labels it holds.
        on_error: "raise" one error that names up to 20 bad rows and counts the others,
            or "skip" and list them in `skipped`.
        fractions: of training, validation and test images.
        num_folds: for cross-validation, one seed per fold; see `split_images`.
        splitting: "stratified" by labels, "random", a CSV that
            `MultiLabelData.write_splits` wrote, or "none": all images are in the test
            split. Rows that name their split keep it, unless it is "none".
        check: "decode" every image once now, read each one's "header" only, or open
            "none": then copies are not found, and training fails at a corrupt image.
        max_bytes: largest size of an image file.
        max_pixels: largest number of pixels of an image.
        **options: see `BatchOptions`; the cache holds at most 2 GiB.

    Raises:
        ValueError: naming the file, the row and the rule.
    """
    source, seed = listing.source, options.get("seed", 0)
    check_choice("on_error", on_error, "raise", "skip")
    listing.require_no_errors()
    if listing.summary:
        _log.info("%s is read as %s", source, listing.summary)
    limits: Limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
    inspected = inspect_rows(listing, label_names=label_names, check=check, **limits)
    _report(inspected, on_error)
    images = inspected.images
    split = inspected.split(
        splitting, fractions=fractions, num_folds=num_folds, seed=seed
    )
    copies = inspected.copies()
    _report_copies(inspected, copies, split)
    members = {name: np.flatnonzero(split == i) for i, name in enumerate(SPLITS)}
    rows = {name: [images[i] for i in own] for name, own in members.items()}
    targets = {name: inspected.dense_targets(own) for name, own in members.items()}
    captions = tuple(row.caption for row in rows["train"])
    options["cache"] = options.get("cache", True) and check != "none"
    return MultiLabelData(
        **_batches(inspected, members, targets, limits, options),
        labels=Labels(
            inspected.names,
            groups={g: tuple(own) for g, own in (label_groups or {}).items()} or None,
            image_size=options["image_size"],
        ),
        targets=targets,
        paths={name: tuple(row.path for row in own) for name, own in rows.items()},
        captions=captions if any(captions) else (),
        boxes={
            name: tuple(row.boxes for row in own if row.boxes is not None)
            for name, own in rows.items()
            if own and own[0].boxes is not None
        },
        groups={name: tuple(row.group for row in own) for name, own in rows.items()}
        if any(row.group for row in images)
        else {},
        skipped=inspected.skipped,
        duplicates=sum(len(copy) - 1 for copy in copies),
        spec=DatasetSpec(
            listing.name,
            os.fspath(source),
            seed,
            {
                **listing.options,
                "label_names": None if label_names is None else inspected.names,
                "on_error": on_error,
                "fractions": fractions,
                "num_folds": num_folds,
                "splitting": splitting,
                "check": check,
                **limits,
            },
        ),
        digests={name: inspected.short_digests(own) for name, own in members.items()},
    )


def _batches(
    inspected: InspectedRows,
    members: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    limits: Limits,
    options: BatchOptions,
) -> dict[str, tf.data.Dataset]:
    headers = [each.header for each in inspected.checks]
    turns = np.array([header.turn if header else 0 for header in headers], np.int32)
    size, root = options["image_size"], inspected.listing.root
    decoded = [3 * decoded_pixels(h, size) for h in headers if h is not None]
    loader = FileLoader(size, **limits)
    load = loader.plain if (turns == 1).all() else loader.any
    elements = {}
    for name, own in members.items():
        # Bytes, because a file name need not be UTF-8.
        files = [os.fsencode(join(root, inspected.images[i].path)) for i in own]
        references = tf.constant(files, tf.string), turns[own]
        elements[name] = tf.data.Dataset.from_tensor_slices((references, targets[name]))
    cache = options.get("cache", True) and fits_in_cache(sum(decoded))
    return build_splits(elements, load, options, cache=cache, load_part=load)


class FileLoader:
    """Reads and decodes files inside a tf.data pipeline, within the same limits.

    Args:
        image_size: side in pixels that images will be resized to, see `decode_plain`;
            None to decode them at full size.
        **limits: see `Limits`.
    """

    def __init__(self, image_size: int | None = None, **limits: Unpack[Limits]) -> None:
        self._limits = limits
        self._image_size = image_size

    def plain(
        self, reference: tuple[tf.Tensor, tf.Tensor], crop: Crop | None = None
    ) -> tf.Tensor:
        """Decodes a file that is known to be plain, or a part of it."""
        data = tf.io.read_file(reference[0])
        return decode_plain(data, image_size=self._image_size, crop=crop)

    def any(
        self, reference: tuple[tf.Tensor, tf.Tensor], crop: Crop | None = None
    ) -> tf.Tensor:
        """Decodes a file with its EXIF turn, or a part of it."""
        path, turn = reference[0], tf.cast(reference[1], tf.int32)
        data = tf.io.read_file(path)

        def turned() -> tf.Tensor:
            image = decode_plain(data, image_size=self._image_size)
            return cut(turn_upright(image, turn), crop)

        def strange() -> tf.Tensor:
            image = tf.numpy_function(self._decode, [data, path], tf.uint8)
            return cut(tf.ensure_shape(image, (None, None, 3)), crop)

        image = tf.switch_case(
            tf.minimum(turn, 2), [strange, lambda: self.plain(reference, crop), turned]
        )
        return tf.ensure_shape(image, (None, None, 3))

    def _decode(self, data: bytes, path: bytes) -> np.ndarray:
        size = self._image_size
        return decode_image(
            data, name=os.fsdecode(path), image_size=size, **self._limits
        )


def list_first(lines: Sequence[str]) -> str:
    """Joins the first 20 lines, and counts the others in a last one."""
    shown = [*lines[:_SHOWN], f"... and {len(lines) - _SHOWN} more"]
    return "\n".join(shown[: len(lines)])


def _report(inspected: InspectedRows, on_error: str) -> None:
    skipped, listing = inspected.skipped, inspected.listing
    source, count = listing.source, len(listing.rows)
    if skipped:
        problems = list_first(
            [
                f"{source} {f'row {bad.row}' if bad.row else bad.path}: {bad.reason}"
                for bad in skipped
            ]
        )
        if on_error == "raise":
            raise ValueError(
                f"{source} must list usable images; {len(skipped)} of {count} are not. "
                "Correct them, or leave them out with "
                f'on_error="skip".\n{problems}'
            )
        _log.warning(
            "%s: %d of %d rows skipped\n%s", source, len(skipped), count, problems
        )
    if not inspected.images:
        raise ValueError(
            f"{source} must list at least one usable image; all {count} rows were "
            "skipped."
        )
    if not inspected.names:
        raise ValueError(f"{source} must give at least one image a label.")


def _report_copies(
    inspected: InspectedRows, copies: Sequence[Sequence[int]], split: np.ndarray
) -> None:
    source = inspected.listing.source
    surplus = sum(len(members) - 1 for members in copies)
    if surplus:
        _log.info("%s: exact copies of other images: %d", source, surplus)
    pairs = inspected.conflicts(copies)
    if pairs:
        _log.warning(
            "%s: pairs of exact copies with different labels: %d: %s",
            source,
            len(pairs),
            "; ".join(
                f"{inspected.images[one].path} and {inspected.images[other].path}"
                for one, other in pairs[:_SHOWN]
            ),
        )
    straddling = sum(
        len(members) for members in copies if len(set(split[members].tolist())) > 1
    )
    if straddling:
        _log.warning(
            "%s: images with an exact copy in another of the given splits: %d; scores "
            "on them are too good",
            source,
            straddling,
        )
