"""Images and targets in three splits, ready for a model."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.data.dataset_spec import DatasetSpec
from kmlic.escape_text import escape_undecodable, guard_cell
from kmlic.labels import Labels

if TYPE_CHECKING:
    import tensorflow as tf

SPLITS = ("train", "validation", "test")


class SkippedRow(NamedTuple):
    """Describes an image that was left out on request.

    Args:
        row: line of the file that names the image; the header is line 1.
        path: the image as the file writes it.
        reason: the rule it breaks.
    """

    row: int
    path: str
    reason: str


class Boxes(NamedTuple):
    """Holds the boxes of one image; a label may have several.

    Args:
        names: of what is in each box: a label, or another name of the dataset.
        corners: (K, 4) float32, one row per name: top, left, bottom and right, as
            fractions of the image's height and width before any augmentation.
    """

    names: tuple[str, ...]
    corners: np.ndarray


@dataclass(frozen=True, eq=False)
class MultiLabelData:
    """Holds the three splits of a multi-label dataset and its labels.

    Shapes: batches of images (B, S, S, 3) float32, pixels 0-255, and targets (B, L)
    float32, 1 present, 0 absent, -1 unknown.

    Args:
        train: augmented batches in another order each epoch, all of one size: images
            that do not fill the last batch of an epoch are left out.
        validation: batches in the order of `targets`; the last one may be smaller.
        test: as `validation`.
        labels: names in the order of the targets, with groups where the data has any.
        targets: split to (N, L) int8.
        train_in_order: all training images in the order of their targets, not
            augmented; None if not available.
        paths: split to the images' paths or names, relative to their root.
        captions: one text per training image, or none at all.
        boxes: split to the boxes of each image, in the order of `targets`; empty if the
            dataset has none or they were not requested.
        skipped: images that were left out on request.
        duplicates: number of exact copies of other images.
        source: the images, if the batches hold features of them.
        synonyms: label to its names, if the dataset lists several.
        identifiers: label to its key in the dataset's files, such as a WordNet id.
        device_augmentation: the `Augmentation` that `kmlic.training.fit` does.
        groups: split to the key of each image's group, such as the object that it
            shows, "" for none; empty if the dataset has none.
        spec: what loads the same splits again; None for data that has no loader.
        digests: split to (N,) uint64, the same for two images with equal files; empty
            where they are not known.

    Raises:
        ValueError: if targets, paths, captions, boxes, digests or groups are not one
            per image.

    Example:
        >>> import tensorflow as tf
        >>> batches = tf.data.Dataset.from_tensors((tf.zeros((1, 8, 8, 3)), [[1.0]]))
        >>> one = np.ones((1, 1), "int8")
        >>> data = MultiLabelData(
        ...     batches, batches, batches, Labels(("dog",)),
        ...     targets={"train": one, "validation": one, "test": one},
        ... )
        >>> data.sizes["train"], data.train_targets.tolist()
        (1, [[1]])
    """

    train: "tf.data.Dataset"
    validation: "tf.data.Dataset"
    test: "tf.data.Dataset"
    labels: Labels
    targets: Mapping[str, np.ndarray]
    train_in_order: "tf.data.Dataset | None" = None
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    captions: tuple[str, ...] = ()
    boxes: Mapping[str, tuple[Boxes, ...]] = field(default_factory=dict)
    skipped: tuple[SkippedRow, ...] = ()
    duplicates: int = 0
    source: "MultiLabelData | None" = None
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)
    device_augmentation: str = "none"
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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
            for name in ("paths", "boxes", "digests", "groups"):
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
        """Returns the targets of the training split, (N, L) int8."""
        return self.targets["train"]

    @property
    def sizes(self) -> dict[str, int]:
        """Returns the number of images of each split."""
        return {split: len(self.targets[split]) for split in SPLITS}

    @property
    def fingerprint(self) -> str:
        """Returns the SHA-256 of label names, paths and targets of all splits."""
        return self._fingerprint(SPLITS)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Returns the SHA-256 of label names, paths and targets of each split."""
        return {split: self._fingerprint((split,)) for split in SPLITS}

    def _fingerprint(self, splits: Sequence[str]) -> str:
        digest = hashlib.sha256(json.dumps(self.labels.names).encode())
        for split in splits:
            paths = self.paths.get(split, ())
            digest.update(json.dumps([split, self.sizes[split], paths]).encode())
            digest.update(np.ascontiguousarray(self.targets[split], np.int8).tobytes())
        return digest.hexdigest()

    def write_splits(self, path: str | Path) -> None:
        """Writes a CSV with the columns path and split, for `splitting` of readers.

        Raises:
            ValueError: if the images of this dataset have no paths.
        """
        if not self.paths:
            raise ValueError("`paths` must be known to write splits; there are none.")
        write_splits(path, self.paths)


def write_splits(path: str | Path, paths: Mapping[str, Sequence[str]]) -> None:
    """Writes a CSV with the columns path and split, atomically.

    A path that a spreadsheet would run as a formula is written with an apostrophe
    before it, which `read_splits` removes.

    Args:
        path: the file.
        paths: split to the paths of its images.
    """
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("path", "split"))
        for split in SPLITS:
            writer.writerows(
                (guard_cell(escape_undecodable(image)), split) for image in paths[split]
            )
