"""DeepFashion's attribute challenge."""

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import tensorflow as tf

from kmlic.check_choice import check_choice
from kmlic.data.build_batches import (
    BatchOptions,
    build_batches,
    build_splits,
    fits_in_cache,
)
from kmlic.data.build_from_listing import FileLoader
from kmlic.data.check_images import shorten
from kmlic.data.dataset_spec import DatasetSpec
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.splits import split_images
from kmlic.data.widen_boxes import widen_boxes
from kmlic.datasets.deepfashion import (
    DeepfashionRow,
    check_deepfashion_images,
    read_deepfashion_groups,
    read_deepfashion_rows,
)
from kmlic.labels import Labels


def load_deepfashion(
    *,
    data_dir: str | Path | None,
    labels: Literal["attributes", "patterns"] = "attributes",
    crop: bool = True,
    margin: float = 0.0,
    validation: float = 0.1,
    **options: Unpack[BatchOptions],
) -> MultiLabelData:
    """Loads the attribute challenge of DeepFashion from its folder.

    The images of split/val.txt are the test split. A stratified part of split/train.txt
    is the validation split; copies of an image stay together. Without split/train.txt
    there is a test split only. The images are for non-commercial research; kmlic does
    not contain them.

    Args:
        data_dir: the challenge's folder, with img/ and split/.
        labels: "attributes" for all groups, with one label of each per image;
            "patterns" for the first group as independent labels.
        crop: whether to crop each image to its box first.
        margin: fraction of the box's sides to keep around it, as far as the image goes.
        validation: fraction 0-1 of split/train.txt that is the validation split.
        **options: see `BatchOptions`. The challenge's report uses an image_size of 224.

    Raises:
        ValueError: naming the file and the line that breaks a rule, or the argument.
    """
    if data_dir is None:
        raise ValueError(
            "`data_dir` must be the challenge's folder, with img/ and split/, for the "
            'dataset "deepfashion_attributes"; got data_dir=None. Ask the authors for '
            "the images, which are for non-commercial research."
        )
    check_choice("labels", labels, "attributes", "patterns")
    if not 0 < validation < 1:
        raise ValueError(
            f"`validation` must be between 0 and 1; got validation={validation}."
        )
    seed = options.get("seed", 0)
    groups = read_deepfashion_groups(data_dir)
    if labels == "patterns":
        groups = dict(list(groups.items())[:1])
    names = tuple(name for members in groups.values() for name in members)
    exclusive = labels == "attributes"
    test_only = not (Path(data_dir) / "split" / "train.txt").exists()
    listed = {
        split: read_deepfashion_rows(data_dir, split)
        for split in (["val"] if test_only else ["train", "val"])
    }
    files = {
        split: _Files(data_dir, split, rows, crop=crop, margin=margin)
        for split, rows in listed.items()
    }
    targets = {split: _targets(rows, groups) for split, rows in listed.items()}
    # Split to the file that lists its images, and their rows there.
    nothing = np.zeros(0, np.int64)
    chosen = {
        "train": ("val", nothing),
        "validation": ("val", nothing),
        "test": ("val", np.arange(len(listed["val"]))),
    }
    if not test_only:
        held_out = _hold_out(targets["train"], files["train"].digests, validation, seed)
        chosen["train"] = "train", np.flatnonzero(~held_out)
        chosen["validation"] = "train", np.flatnonzero(held_out)
    return MultiLabelData(
        **_batches(files, targets, chosen, options),
        labels=Labels(
            names,
            groups=groups if exclusive else None,
            image_size=options["image_size"],
            exclusive=exclusive,
        ),
        targets={key: targets[split][own] for key, (split, own) in chosen.items()},
        paths={
            key: tuple(listed[split][index].path for index in own)
            for key, (split, own) in chosen.items()
        },
        spec=DatasetSpec(
            "deepfashion_attributes",
            data_dir,
            seed,
            {
                "labels": labels,
                "crop": crop,
                "margin": margin,
                "validation": validation,
            },
        ),
        digests={
            key: shorten(files[split].digests[index] for index in own)
            for key, (split, own) in chosen.items()
        },
    )


def _batches(
    files: "Mapping[str, _Files]",
    targets: Mapping[str, np.ndarray],
    chosen: Mapping[str, tuple[str, np.ndarray]],
    options: BatchOptions,
) -> dict[str, tf.data.Dataset]:
    elements = {
        name: tf.data.Dataset.from_tensor_slices(
            (files[split].references(members), targets[split][members])
        )
        for name, (split, members) in chosen.items()
    }
    load = _make_loader(all(own.plain.all() for own in files.values()))
    decoded_bytes = sum(own.pixels * 3 for own in files.values())
    cache = options.get("cache", True) and fits_in_cache(decoded_bytes)
    return build_splits(elements, load, options, cache=cache)


def _hold_out(
    targets: np.ndarray, digests: Sequence[Hashable], share: float, seed: int
) -> np.ndarray:
    """Marks the validation images among the training images; copies stay together."""
    fractions = (1 - share, share / 2, share / 2)
    return split_images(targets, fractions=fractions, groups=(digests,), seed=seed) > 0


def load_deepfashion_images(
    split: str,
    *,
    data_dir: str | Path,
    image_size: int,
    batch_size: int,
    crop: bool = True,
    margin: float = 0.0,
) -> tf.data.Dataset:
    """Loads the images of a split without known attributes, for a submission.

    Shapes: batches (B, S, S, 3) float32, pixels 0-255, in the order of
    split/<split>.txt.

    Args:
        split: "test", or another one with a list and boxes in split/.
        data_dir: the challenge's folder.
        image_size: S in pixels.
        batch_size: B; the last batch may be smaller.
        crop: as in `load_deepfashion`.
        margin: as in `load_deepfashion`.

    Raises:
        ValueError: naming the file and the line that breaks a rule.
    """
    rows = read_deepfashion_rows(data_dir, split, with_classes=False)
    files = _Files(data_dir, split, rows, crop=crop, margin=margin)
    nothing = np.zeros((len(rows), 0), np.int8)
    batches = build_batches(
        tf.data.Dataset.from_tensor_slices(
            (files.references(np.arange(len(rows))), nothing)
        ),
        _make_loader(bool(files.plain.all())),
        image_size=image_size,
        batch_size=batch_size,
        training=False,
        cache=False,
    )
    return batches.map(lambda images, _: images)


class _Files:
    """Holds the paths and boxes of the images of one split."""

    def __init__(
        self,
        folder: str | Path,
        split: str,
        rows: Sequence[DeepfashionRow],
        *,
        crop: bool,
        margin: float,
    ) -> None:
        if margin < 0:
            raise ValueError(f"`margin` must be at least 0; got margin={margin}.")
        checks = check_deepfashion_images(folder, split, rows)
        headers = [check.header for check in checks if check.header is not None]
        self.digests = [check.digest for check in checks]
        self._paths = np.array([os.fspath(Path(folder) / row.path) for row in rows])
        self.plain = np.array([header.plain for header in headers])
        sizes = np.array([(header.width, header.height) for header in headers])
        if crop:
            wide = widen_boxes(np.array([row.box for row in rows]), margin)
            start, end = wide[:, :2], wide[:, 2:]
            # The sides of an image may be swapped when it is decoded.
            limits = np.where(self.plain[:, None], sizes, sizes.max(axis=1)[:, None])
            end = np.minimum(end, limits)
        else:
            start, end = (
                np.zeros_like(sizes),
                np.full_like(sizes, np.iinfo("int32").max),
            )
        self._boxes = np.concatenate([start, end], axis=1).astype(np.int32)
        kept = np.minimum(end, sizes) - start
        self.pixels = int(kept.prod(axis=1).sum())

    def references(self, members: np.ndarray) -> tuple[np.ndarray, ...]:
        return self._paths[members], self.plain[members], self._boxes[members]


def _make_loader(all_plain: bool) -> Callable[[tuple[tf.Tensor, ...]], tf.Tensor]:
    loader = FileLoader()
    load_file = loader.plain if all_plain else loader.any

    def load(reference: tuple[tf.Tensor, ...]) -> tf.Tensor:
        path, plain, box = reference
        return load_file((path, plain))[box[1] : box[3], box[0] : box[2]]

    return load


def _targets(
    rows: Sequence[DeepfashionRow], groups: Mapping[str, Sequence[str]]
) -> np.ndarray:
    classes = np.array([row.classes for row in rows])
    marks = []
    for index, names in enumerate(groups.values()):
        own = (classes[:, index, None] == np.arange(len(names))).astype(np.int8)
        own[classes[:, index] == -1] = -1
        marks.append(own)
    return np.concatenate(marks, axis=1)
