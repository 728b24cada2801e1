"""A list of image files and their labels to a dataset, with everything checked."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import numpy as np
import tensorflow as tf

from kmlic.data.build_batches import CACHE_LIMIT, build_batches, fits_in_cache
from kmlic.data.decoding import (
    MAX_BYTES,
    MAX_PIXELS,
    Crop,
    cut,
    decode_image,
    decode_plain,
    decoded_pixels,
    turn_upright,
)
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.inspect_rows import InspectedRows, inspect_rows
from kmlic.data.multi_label_data import SPLITS, Boxes, MultiLabelData, SkippedRow
from kmlic.data.storage import join
from kmlic.labels import Labels

# Problems that an error spells out; the others it counts.
_SHOWN = 20

_log = logging.getLogger(__name__)


class RowOptions(TypedDict, total=False):
    """Names the arguments that every reader of own data hands to `build_from_rows`."""

    label_names: Sequence[str] | str | Path | None
    label_groups: Mapping[str, Sequence[str]] | None
    seed: int
    on_error: Literal["raise", "skip"]
    fractions: Sequence[float]
    splitting: str | Path
    augmentation: str
    cache: bool
    pixels: Literal["float32", "uint8"]
    check: Literal["decode", "header", "none"]
    max_bytes: int
    max_pixels: int


def build_from_listing(
    listing: Listing, *, image_size: int, batch_size: int, **options: Unpack[RowOptions]
) -> MultiLabelData:
    """Builds a dataset of what a reader found, see `build_from_rows`."""
    if options.get("label_names") is None:
        options["label_names"] = listing.label_names
    return build_from_rows(
        listing.rows,
        source=listing.source,
        root=listing.root,
        image_size=image_size,
        batch_size=batch_size,
        **options,
    )


def build_from_rows(
    rows: Sequence[ImageRow],
    *,
    source: str | Path,
    root: str | Path,
    image_size: int,
    batch_size: int,
    label_names: Sequence[str] | str | Path | None = None,
    label_groups: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    on_error: Literal["raise", "skip"] = "raise",
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    splitting: str | Path = "stratified",
    augmentation: str = "flip",
    cache: bool = True,
    pixels: Literal["float32", "uint8"] = "float32",
    check: Literal["decode", "header", "none"] = "decode",
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> MultiLabelData:
    """Checks, splits and batches image files that some file or folder lists.

    Nothing is left out unless `on_error` asks for it. Exact copies of an image, found
    by their SHA-256, stay in one split; those with different labels are logged.

    Args:
        rows: one per image.
        source: the file or folder the rows come from, for errors.
        root: folder that the paths are relative to and may not leave; may be a store's,
            such as gs://.
        image_size: side in pixels that images are resized to.
        batch_size: images a batch.
        label_names: names in the order of the model's outputs, or a text file with one
            a line; the sorted names found when None.
        label_groups: group name to the labels it holds.
        seed: of splits, order and augmentation.
        on_error: "raise" one error that names up to 20 bad rows and counts the others,
            or "skip" and list them in `skipped`.
        fractions: of training, validation and test images.
        splitting: "stratified" by labels, "random", or a CSV that
            `MultiLabelData.write_splits` wrote. Rows that name their split keep it.
        augmentation: of training images, see `Augmentation`.
        cache: whether to keep decoded images in memory while they fit in 2 GiB.
        pixels: "float32", or "uint8": rounded, a quarter of the memory.
        check: "decode" every image once now, read each one's "header" only, or open
            "none", which leaves copies apart and broken images to the training.
        max_bytes: most bytes of an image file.
        max_pixels: most pixels of an image.

    Raises:
        ValueError: naming the file, the row and the rule.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(
            f'`on_error` must be "raise" or "skip"; got on_error={on_error!r}.'
        )
    inspected = inspect_rows(
        Listing(rows, source, root),
        label_names=label_names,
        check=check,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
    )
    _report(inspected.skipped, len(rows), source, on_error)
    images = inspected.images
    if not images:
        raise ValueError(
            f"{source} must list at least one usable image; all {len(rows)} rows were "
            "skipped."
        )
    if not inspected.names:
        raise ValueError(f"{source} must give at least one image a label.")
    labels = Labels(
        inspected.names,
        groups={k: tuple(v) for k, v in label_groups.items()} if label_groups else None,
        image_size=image_size,
    )
    split = inspected.split(splitting, fractions=fractions, seed=seed)
    copies = inspected.copies()
    _report_copies(inspected, copies, split)
    headers = [each.header for each in inspected.checks]
    turns = np.array([header.turn if header else 0 for header in headers], np.int32)
    decoded = [3 * decoded_pixels(h, image_size) for h in headers if h is not None]
    in_memory = (
        cache and check != "none" and fits_in_cache(sum(decoded), limit=CACHE_LIMIT)
    )
    loader = FileLoader(max_bytes, max_pixels, image_size)
    datasets, split_targets, paths = {}, {}, {}
    boxes: dict[str, tuple[Boxes, ...]] = {}
    for number, name in enumerate(SPLITS):
        (members,) = np.nonzero(split == number)
        paths[name] = tuple(images[index].path for index in members)
        split_targets[name] = inspected.targets[members].toarray()
        own = [box for index in members if (box := images[index].boxes) is not None]
        if own:
            boxes[name] = tuple(own)
        files = [join(root, path) for path in paths[name]]
        elements = tf.data.Dataset.from_tensor_slices(
            ((files, turns[members]), split_targets[name])
        )
        for key in (name, "train_in_order") if name == "train" else (name,):
            load = loader.plain if (turns[members] == 1).all() else loader.any
            datasets[key] = build_batches(
                elements,
                load,
                load_part=load,
                pixels=pixels,
                image_size=image_size,
                batch_size=batch_size,
                training=key == "train",
                seed=seed,
                augmentation=augmentation,
                cache=in_memory and key != "train_in_order",
            )
    captions = tuple(images[index].caption for index in np.nonzero(split == 0)[0])
    return MultiLabelData(
        **datasets,
        labels=labels,
        targets=split_targets,
        paths=paths,
        captions=captions if any(captions) else (),
        boxes=boxes,
        skipped=inspected.skipped,
        duplicates=sum(len(members) - 1 for members in copies),
    )


class FileLoader:
    """Reads and decodes files inside a tf.data pipeline, within the same limits.

    Args:
        max_bytes: most bytes of a file.
        max_pixels: most pixels of an image.
        image_size: side in pixels that images will be resized to, see `decode_plain`;
            None to decode all at their own size.
    """

    def __init__(
        self, max_bytes: int, max_pixels: int, image_size: int | None = None
    ) -> None:
        self._limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
        self._image_size = image_size

    def plain(
        self, reference: tuple[tf.Tensor, tf.Tensor], crop: Crop | None = None
    ) -> tf.Tensor:
        """Decodes a file of which it is known that it is plain, or a part of it."""
        data = tf.io.read_file(reference[0])
        return decode_plain(data, image_size=self._image_size, crop=crop)

    def any(
        self, reference: tuple[tf.Tensor, tf.Tensor], crop: Crop | None = None
    ) -> tf.Tensor:
        """Decodes a file, or a part of it, as its path and turn say."""
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
        return decode_image(data, name=os.fsdecode(path), **self._limits)


def _report(
    skipped: Sequence[SkippedRow], count: int, source: str | Path, on_error: str
) -> None:
    if not skipped:
        return
    lines = [
        f"{source} {f'row {bad.row}' if bad.row else bad.path}: {bad.reason}"
        for bad in skipped[:_SHOWN]
    ]
    if len(skipped) > _SHOWN:
        lines.append(f"... and {len(skipped) - _SHOWN} more")
    if on_error == "raise":
        raise ValueError(
            "\n".join(
                [
                    f"{source} must list usable images; {len(skipped)} of {count} "
                    'are not. Mend them, or leave them out with on_error="skip".',
                    *lines,
                ]
            )
        )
    _log.warning(
        "%s: %d of %d rows skipped\n%s", source, len(skipped), count, "\n".join(lines)
    )


def _report_copies(
    inspected: InspectedRows, copies: Sequence[Sequence[int]], split: np.ndarray
) -> None:
    source = inspected.listing.source
    surplus = sum(len(members) - 1 for members in copies)
    if surplus:
        _log.info("%s: %d surplus exact copies of images", source, surplus)
    pairs = inspected.conflicts(copies)
    if pairs:
        _log.warning(
            "%s: %d images have other labels than their exact copies; at most one of "
            "each is right: %s",
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
            "%s: %d images have exact copies in another split, because the splits are "
            "given; scores on them are too good",
            source,
            straddling,
        )
