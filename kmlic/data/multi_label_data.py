"""Images and targets in three splits, ready for a model."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kmlic.atomic_write import atomic_write
from kmlic.data.dataset_spec import DatasetSpec
from kmlic.labels import Labels

SPLITS = ("train", "validation", "test")


class SkippedRow(NamedTuple):
    """Names an image that was left out on request, and why.

    Args:
        row: line of the file that names the image; the header is line 1.
        path: the image as the file writes it.
        reason: the rule it breaks.
    """

    row: int
    path: str
    reason: str


class Boxes(NamedTuple):
    """Says where in one image its labels are.

    A label may have several boxes, and one place several labels.

    Args:
        names: what each box is of: a label, or something else that the dataset knows.
        corners: (K, 4) float32, one row per name: top, left, bottom and right, in
            shares of the image's height and width before any augmentation.
    """

    names: tuple[str, ...]
    corners: np.ndarray


@dataclass(frozen=True, eq=False)
class MultiLabelData:
    """Holds the three splits of a multi-label dataset and what its labels are.

    Shapes: batches of images (B, S, S, 3) float32, pixels 0-255, and targets (B, L)
    float32, 1 present, 0 absent, -1 unknown.

    Args:
        train: batches in an order shuffled anew each epoch, augmented, all of one size:
            the images that do not fill the last batch are left out of that epoch.
        validation: batches in the order of `targets`, the last one may be smaller.
        test: like validation.
        labels: names in the order of the targets, with groups where the data has any.
        targets: split to (N, L) int8.
        train_in_order: the training images in the order of their targets, every one
            of them and none augmented; None where there is no such pass.
        paths: split to the images' paths or names, relative to their root.
        captions: one text per training image, or none at all.
        boxes: split to the boxes of each image, in the order of `targets`; empty where
            the dataset has none or they were not asked for.
        skipped: images that were left out on request.
        duplicates: surplus exact copies of images; splits made here keep copies
            together.
        source: the images, where the batches hold features of them instead.
        synonyms: label to the names it goes by, where the dataset gives several.
        identifiers: label to its key in the dataset's own files, such as a WordNet id.
        device_augmentation: what is left to `kmlic.training.fit` to do to the training
            images, see `Augmentation`.
        spec: what loads the same splits again; None for data that has no loader.
        digests: split to (N,) uint64, the same for two images with equal files; empty
            where they are not known.

    Raises:
        ValueError: if targets, paths, captions, boxes or digests are not one per image.

    Example:
        >>> batches = tf.data.Dataset.from_tensors((tf.zeros((1, 8, 8, 3)), [[1.0]]))
        >>> one = np.ones((1, 1), "int8")
        >>> data = MultiLabelData(
        ...     batches, batches, batches, Labels(("dog",)),
        ...     targets={"train": one, "validation": one, "test": one},
        ... )
        >>> data.sizes["train"], data.train_targets.tolist()
        (1, [[1]])
    """

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    labels: Labels
    targets: Mapping[str, np.ndarray]
    train_in_order: tf.data.Dataset | None = None
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    captions: tuple[str, ...] = ()
    boxes: Mapping[str, tuple[Boxes, ...]] = field(default_factory=dict)
    skipped: tuple[SkippedRow, ...] = ()
    duplicates: int = 0
    source: "MultiLabelData | None" = None
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)
    device_augmentation: str = "none"
    spec: DatasetSpec | None = None
    digests: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if tuple(sorted(self.targets)) != tuple(sorted(SPLITS)):
            raise ValueError(
                f"`targets` must have the splits {SPLITS}; got {tuple(self.targets)}."
            )
        for split in SPLITS:
            shape = self.targets[split].shape
            if len(shape) != 2 or shape[1] != len(self.labels):
                raise ValueError(
                    f"`targets` must have shape (N, {len(self.labels)}); got {shape} "
                    f"in the split {split!r}."
                )
            for name in ("paths", "boxes", "digests"):
                parts = getattr(self, name)
                if parts and len(parts[split]) != len(self.targets[split]):
                    raise ValueError(
                        f"`{name}` must be one per image; got {len(parts[split])} for "
                        f"{len(self.targets[split])} images in the split {split!r}."
                    )
        if self.captions and len(self.captions) != len(self.train_targets):
            raise ValueError(
                f"`captions` must be one per training image; got {len(self.captions)} "
                f"for {len(self.train_targets)} images."
            )

    @property
    def train_targets(self) -> np.ndarray:
        """Gives the targets of the training split, (N, L) int8."""
        return self.targets["train"]

    @property
    def sizes(self) -> dict[str, int]:
        """Counts the images of each split."""
        return {split: len(self.targets[split]) for split in SPLITS}

    @property
    def fingerprint(self) -> str:
        """Identifies label names, paths and targets of every split, as SHA-256."""
        return self._fingerprint(SPLITS)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Identifies label names, paths and targets of each split, as SHA-256."""
        return {split: self._fingerprint((split,)) for split in SPLITS}

    def _fingerprint(self, splits: Sequence[str]) -> str:
        digest = hashlib.sha256(json.dumps(self.labels.names).encode())
        for split in splits:
            paths = self.paths.get(split, ())
            digest.update(json.dumps([split, self.sizes[split], paths]).encode())
            digest.update(np.ascontiguousarray(self.targets[split], np.int8).tobytes())
        return digest.hexdigest()

    def write_splits(self, path: str | Path) -> None:
        """Writes which image is in which split, as CSV with columns path and split.

        `from_csv(..., splitting=path)` reads it back.

        Args:
            path: the file to write, whole or not at all.

        Raises:
            ValueError: if the images of this dataset have no paths.
        """
        if not self.paths:
            raise ValueError("`paths` must be known to write splits; there are none.")
        write_splits(path, self.paths)


def write_splits(path: str | Path, paths: Mapping[str, Sequence[str]]) -> None:
    """Writes which image is in which split, as CSV with columns path and split.

    Args:
        path: the file to write, whole or not at all.
        paths: split to the images in it.
    """
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("path", "split"))
        for split in SPLITS:
            writer.writerows((image, split) for image in paths[split])
