"""A dataset with fewer labels."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kmlic.data.multi_label_data import SPLITS, MultiLabelData
from kmlic.data.training_batches import TrainingBatches
from kmlic.labels import Labels


def keep_labels(
    data: MultiLabelData, names: Sequence[str], *, drop_images: bool = False
) -> MultiLabelData:
    """Keeps some labels of a dataset and leaves out the others.

    Args:
        data: the dataset, which is not changed.
        names: the labels to keep, in the dataset's order.
        drop_images: whether to leave out images without any of them, in every split.

    Raises:
        ValueError: if a label is unknown, none is kept, or a split loses all images.

    Example:
        >>> one = np.array([[1, 0]], "int8")
        >>> batches = tf.data.Dataset.from_tensors((tf.zeros((1, 8, 8, 3)), one))
        >>> data = MultiLabelData(
        ...     batches, batches, batches, Labels(("dog", "sofa")),
        ...     targets={"train": one, "validation": one, "test": one},
        ... )
        >>> keep_labels(data, ["sofa"]).train_targets.tolist()
        [[0]]
    """
    unknown = [name for name in names if name not in data.labels.names]
    if unknown or not names:
        raise ValueError(
            f"`names` must be labels of the dataset, at least one; got {unknown or ()} "
            f"that are not, of {len(names)}."
        )
    wanted = set(names)
    columns = [i for i, name in enumerate(data.labels.names) if name in wanted]
    targets = {split: data.targets[split][:, columns] for split in SPLITS}
    kept = {
        split: (
            (targets[split] == 1).any(axis=1)
            if drop_images
            else np.ones(len(targets[split]), bool)
        )
        for split in SPLITS
    }
    for split in SPLITS:
        if not kept[split].any():
            raise ValueError(
                "`names` must leave an image in every split; none shows any of "
                f"{tuple(names)} in {split!r}."
            )

    def narrow(batches: tf.data.Dataset, split: str) -> tf.data.Dataset:
        return _narrow_batches(batches, columns, kept[split], batches is data.train)

    spec = data.spec and dataclasses.replace(
        data.spec,
        options={
            **data.spec.options,
            "keep": {"names": list(names), "drop_images": drop_images},
        },
    )
    source = data.source and keep_labels(data.source, names, drop_images=drop_images)
    return dataclasses.replace(
        data,
        source=source,
        spec=spec,
        train=narrow(data.train, "train"),
        validation=narrow(data.validation, "validation"),
        test=narrow(data.test, "test"),
        train_in_order=data.train_in_order and narrow(data.train_in_order, "train"),
        labels=_narrow_labels(data.labels, columns),
        targets={split: targets[split][kept[split]] for split in SPLITS},
        paths=_narrow_parts(data.paths, kept),
        boxes=_narrow_parts(data.boxes, kept),
        groups=_narrow_parts(data.groups, kept),
        digests={split: own[kept[split]] for split, own in data.digests.items()},
        captions=tuple(
            caption
            for caption, keep in zip(data.captions, kept["train"], strict=False)
            if keep
        ),
    )


def _narrow_batches(
    batches: tf.data.Dataset, columns: Sequence[int], kept: np.ndarray, trained_on: bool
) -> tf.data.Dataset:
    def select(images: Any, own: tf.Tensor) -> tuple[Any, tf.Tensor]:
        return images, tf.gather(own, columns, axis=1)

    if isinstance(batches, TrainingBatches):
        return batches.keep(np.flatnonzero(kept)).map_batches(select)
    narrowed = batches.map(select)
    if kept.all():
        return narrowed
    size = int(next(iter(batches))[1].shape[0])
    shown = narrowed.unbatch().filter(lambda _, own: tf.reduce_any(own == 1))
    count = int(kept.sum())
    if trained_on:
        # The last batch that is dropped may have more images than the filter drops.
        return shown.repeat().batch(size).take(max(1, count // size)).prefetch(2)
    number = tf.data.experimental.assert_cardinality(-(-count // size))
    return shown.batch(size).apply(number).prefetch(2)


def _narrow_labels(labels: Labels, columns: Sequence[int]) -> Labels:
    names = tuple(labels.names[column] for column in columns)
    groups = {
        group: tuple(name for name in members if name in names)
        for group, members in (labels.groups or {}).items()
    }
    groups = {group: own for group, own in groups.items() if own}
    return dataclasses.replace(
        labels,
        names=names,
        groups=groups or None,
        # A label that is alone in its group would always be present.
        exclusive=labels.exclusive and min(map(len, groups.values())) > 1,
        thresholds=tuple(labels.thresholds[column] for column in columns),
    )


def _narrow_parts(
    parts: Mapping[str, Sequence], kept: Mapping[str, np.ndarray]
) -> dict[str, tuple]:
    return {
        split: tuple(x for x, keep in zip(own, kept[split], strict=True) if keep)
        for split, own in parts.items()
    }
