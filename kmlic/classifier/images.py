"""The images that a classifier is trained on, at any size."""

import dataclasses
import hashlib
import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kmlic.atomic_write import atomic_write
from kmlic.classifier.candidate import key
from kmlic.data import MultiLabelData
from kmlic.data.build_batches import build_batches
from kmlic.data.decode_plain import Crop, cut
from kmlic.data.file_pixels import FilePixels
from kmlic.data.multi_label_data import SPLITS
from kmlic.labels import Labels

TRAIN, VALIDATION, TEST = 0, 1, 2


@dataclasses.dataclass(frozen=True, eq=False)
class StoredPixels:
    """Reads images that were decoded and resized before, from one array on the disk.

    Args:
        pixels: (N, S, S, 3) uint8.
    """

    pixels: np.ndarray

    def references(self, rows: np.ndarray) -> Any:
        """Returns what `load` takes, one per row."""
        return np.asarray(rows, np.int64)

    def load(
        self, reference: Any, crop: Crop | None = None, *, image_size: int
    ) -> tf.Tensor:
        """Reads an image, or a part of it, as (H, W, 3) inside a TensorFlow graph."""
        del image_size  # theirs already
        image = tf.numpy_function(lambda row: self.pixels[row], [reference], tf.uint8)
        return cut(tf.ensure_shape(image, self.pixels.shape[1:]), crop)


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Holds images of all splits, their targets and where their pixels come from.

    Args:
        source: what they are called in reports.
        labels: names, and groups where there are any.
        targets: (N, L) int8, 1 present, 0 absent, -1 unknown.
        split: (N,) int8, 0 training, 1 validation, 2 test.
        paths: (N,) names for reports.
        together: groupings, each with one key per image; images that share a key stay
            in one fold, see `kmlic.data.fold_images`.
        side: median of the shorter sides in pixels.
        image_size: side in pixels of images that come in one size; None for files.
        pixels: where they come from.
        fingerprint: identifies pixels, targets and splits.
        digests: (N,) uint64, the same for two images with equal files; None where the
            files are not known.
    """

    source: str
    labels: Labels
    targets: np.ndarray
    split: np.ndarray
    paths: tuple[str, ...]
    together: tuple[Sequence[Hashable], ...]
    side: int
    image_size: int | None
    pixels: FilePixels | StoredPixels
    fingerprint: str
    digests: np.ndarray | None = None

    @property
    def training_rows(self) -> np.ndarray:
        """Returns the rows of the training and validation images."""
        return np.flatnonzero(self.split != TEST)

    @property
    def test_rows(self) -> np.ndarray:
        """Returns the rows of the test images."""
        return np.flatnonzero(self.split == TEST)

    @property
    def copied_test_rows(self) -> np.ndarray:
        """Returns the rows of test images that are copies of training images."""
        keys = list(self.together[0])  # of the files
        if isinstance(self.pixels, FilePixels) and self.pixels.boxes is not None:
            keys = list(zip(keys, map(tuple, self.pixels.boxes.tolist()), strict=True))
        fitted = {keys[row] for row in self.training_rows}
        return np.array([row for row in self.test_rows if keys[row] in fitted], int)

    @property
    def sizes(self) -> dict[str, int]:
        """Returns the number of images of each split."""
        return {
            name: int((self.split == number).sum())
            for number, name in enumerate(SPLITS)
        }

    def groups_of(self, rows: np.ndarray) -> list[Hashable] | None:
        """Returns the groups that the data gives for rows; None if it gives none."""
        if len(self.together) < 2:  # the first grouping is of exact copies
            return None
        return [self.together[1][row] for row in rows]

    def batches(
        self,
        rows: np.ndarray,
        *,
        image_size: int,
        batch_size: int,
        training: bool = False,
        seed: int = 0,
        augmentation: str = "none",
    ) -> tf.data.Dataset:
        """Returns batches of pixels 0-255 and targets, see `build_batches`.

        Args:
            rows: which images; outside training, in which order.
            image_size: S in pixels.
            batch_size: images per batch.
            training: whether to shuffle and augment them.
            seed: of order and augmentation.
            augmentation: see `kmlic.data.Augmentation`.
        """
        elements = tf.data.Dataset.from_tensor_slices(
            (self.pixels.references(rows), self.targets[rows])
        )

        def load(reference: Any, crop: Crop | None = None) -> tf.Tensor:
            return self.pixels.load(reference, crop, image_size=image_size)

        return build_batches(
            elements,
            load,
            load_part=load,
            image_size=image_size,
            batch_size=batch_size,
            training=training,
            seed=seed,
            augmentation=augmentation,
            cache=False,
        )


def store_images(data: MultiLabelData, folder: Path, source: str) -> Images:
    """Writes the images of a dataset to one array on the disk, unless it is there.

    Args:
        data: the dataset; needs `train_in_order`.
        folder: where the array is kept.
        source: what the dataset is called.

    Raises:
        ValueError: if the training images cannot be gone through in order.
    """
    if data.train_in_order is None:
        raise ValueError("`data.train_in_order` must be a dataset; got None.")
    parts = (data.train_in_order, data.validation, data.test)
    sizes = list(data.sizes.values())
    side = int(tf.nest.flatten(data.validation.element_spec)[0].shape[1])
    identity = key(data.fingerprint, data.spec, side, *data.digests.values())
    path = folder / f"pixels-{identity}.npy"
    digests_path = path.with_suffix(".txt")
    # Without a spec nothing says that the pixels are the same.
    if data.spec is None or not (path.exists() and digests_path.exists()):
        digests: list[str] = []
        with atomic_write(path) as temporary:
            pixels = np.lib.format.open_memmap(
                temporary, "w+", np.uint8, (sum(sizes), side, side, 3)
            )
            for part in parts:
                for images, _ in part.as_numpy_iterator():
                    whole = images
                    if whole.dtype != np.uint8:
                        whole = np.clip(np.rint(images), 0, 255).astype(np.uint8)
                    pixels[len(digests) : len(digests) + len(whole)] = whole
                    digests += [hashlib.sha256(image).hexdigest() for image in whole]
            pixels.flush()
            del pixels
        with atomic_write(digests_path) as temporary:
            temporary.write_text("\n".join(digests))
    digests = digests_path.read_text().split("\n")
    targets = np.concatenate([data.targets[name] for name in SPLITS]).astype(np.int8)
    split = np.repeat(np.arange(3, dtype=np.int8), sizes)
    paths = [f"{name} {i}" for name in SPLITS for i in range(data.sizes[name])]
    if data.paths:
        paths = [path for name in SPLITS for path in data.paths[name]]
    return Images(
        source=source,
        labels=data.labels,
        targets=targets,
        split=split,
        paths=tuple(paths),
        together=(digests, *_groups(data)),
        side=side,
        image_size=side,
        pixels=StoredPixels(np.load(path, mmap_mode="r")),
        fingerprint=fingerprint(digests, data.labels, targets, split),
        digests=np.concatenate([data.digests[name] for name in SPLITS])
        if data.digests
        else None,
    )


def _groups(data: MultiLabelData) -> list[list[Hashable]]:
    """Returns the grouping that a dataset gives, if it gives one."""
    if not data.groups:
        return []
    return [[key or None for split in SPLITS for key in data.groups[split]]]


def fingerprint(
    digests: Sequence[Hashable],
    labels: Labels,
    targets: np.ndarray,
    split: np.ndarray,
    boxes: np.ndarray | None = None,
) -> str:
    """Returns a SHA-256 of pixels, label names and groups, targets and splits."""
    content = hashlib.sha256(json.dumps([labels.names, labels.groups]).encode())
    content.update(repr(list(digests)).encode())
    content.update(targets.tobytes() + split.tobytes())
    if boxes is not None:
        content.update(np.asarray(boxes, np.int64).tobytes())
    return content.hexdigest()
