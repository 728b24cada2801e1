"""A tensorflow-datasets builder to a dataset of several labels an image."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from kmlic.data.build_batches import build_batches, fits_in_cache
from kmlic.data.decoding import decode_plain
from kmlic.data.multi_label_data import SPLITS, Boxes, MultiLabelData
from kmlic.labels import Labels

# Encoded images held to shuffle a stream; tensorflow-datasets wrote it shuffled.
_STREAM_BUFFER = 4096

Example = Mapping[str, Any]


def from_tfds(
    builder: tfds.core.DatasetBuilder,
    *,
    splits: Mapping[str, str],
    labels: Labels,
    targets: Callable[[Example, str], tf.Tensor],
    image_size: int,
    batch_size: int,
    seed: int = 0,
    augmentation: str = "flip",
    cache: bool = True,
    caption: str | None = None,
    name: str | None = "image/filename",
    unlabelled: bool = True,
    pixels: Literal["float32", "uint8"] = "float32",
    boxes: Callable[[Example], Boxes] | None = None,
) -> MultiLabelData:
    """Loads a prepared tensorflow-datasets dataset, its targets by a function.

    The images must be stored as 8-bit JPEG or PNG. Their targets are read once now; the
    images when the batches are.

    Args:
        builder: prepared, with a feature "image".
        splits: "train", "validation" and "test" to the builder's own split texts.
        labels: what the targets are.
        targets: an example, its image still encoded, and the split to (L,) of 1, 0, -1.
        image_size: side in pixels that images are resized to.
        batch_size: images a batch.
        seed: of order and augmentation.
        augmentation: of training images, see `Augmentation`.
        cache: whether to keep decoded images in memory while they fit in 2 GiB; without
            effect when the builder does not fix their size.
        caption: the feature that holds a text per image, or None.
        name: the feature that names an image, a text or a number, or None.
        boxes: an example in NumPy, without its image, to the boxes of its labels; None
            leaves them out.
        unlabelled: whether images without any label are kept.
        pixels: "float32", or "uint8": rounded, a quarter of the memory.

    Raises:
        ValueError: if the splits are not the three, or a training batch cannot be
            filled.
    """
    if set(splits) != set(SPLITS):
        raise ValueError(f"`splits` must name {SPLITS}; got {tuple(splits)}.")
    shape = builder.info.features["image"].shape
    load = functools.partial(decode_plain, image_size=image_size)
    encoded = {split: _encoded(builder, splits[split]) for split in SPLITS}
    total = sum(int(examples.cardinality()) for examples in encoded.values())
    cache = cache and None not in shape and fits_in_cache(total * int(np.prod(shape)))
    all_targets, all_paths, all_boxes, datasets = {}, {}, {}, {}
    captions: tuple[str, ...] = ()
    for split, examples in encoded.items():
        read = _read_all(examples, split, targets, {"name": name, "caption": caption})
        kept = (read["targets"] == 1).any(axis=1) | unlabelled
        all_targets[split] = read["targets"][kept].astype(np.int8)
        if name is not None:
            all_paths[split] = tuple(_text(value) for value in read["name"][kept])
        if boxes is not None:
            own = map(boxes, _without_images(examples))
            all_boxes[split] = tuple(itertools.compress(own, kept))
        if caption is not None and split == "train":
            captions = tuple(_text(value) for value in read["caption"][kept])
        for key in (split, "train_in_order") if split == "train" else (split,):
            training = key == "train"
            pairs = examples.map(
                lambda example, split=split: (example["image"], targets(example, split))
            )
            if not unlabelled:
                pairs = pairs.filter(lambda _, marks: tf.reduce_any(marks == 1))
                count = tf.data.experimental.assert_cardinality(int(kept.sum()))
                pairs = pairs.apply(count)
            datasets[key] = build_batches(
                pairs,
                load,
                load_part=load,
                pixels=pixels,
                image_size=image_size,
                batch_size=batch_size,
                training=training,
                seed=seed,
                augmentation=augmentation,
                cache=cache and key != "train_in_order",
                shuffle_buffer=None if cache else _STREAM_BUFFER,
            )
    return MultiLabelData(
        **datasets,
        labels=labels,
        targets=all_targets,
        paths=all_paths,
        captions=captions,
        boxes=all_boxes,
    )


def _encoded(builder: tfds.core.DatasetBuilder, split: str) -> tf.data.Dataset:
    examples = builder.as_dataset(
        split=split,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    count = builder.info.splits[split].num_examples
    return examples.apply(tf.data.experimental.assert_cardinality(count))


def _without_images(examples: tf.data.Dataset) -> Iterator[Example]:
    def strip(example: Example) -> Example:
        return {key: value for key, value in example.items() if key != "image"}

    return examples.map(strip).as_numpy_iterator()


def _text(value: bytes | np.integer) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _read_all(
    examples: tf.data.Dataset,
    split: str,
    targets: Callable[[Example, str], tf.Tensor],
    features: Mapping[str, str | None],
) -> dict[str, np.ndarray]:
    wanted = {key: feature for key, feature in features.items() if feature is not None}

    def read(example: Example) -> dict[str, tf.Tensor]:
        return {
            "targets": tf.cast(targets(example, split), tf.int8),
            **{key: example[feature] for key, feature in wanted.items()},
        }

    batches = list(examples.map(read).batch(1024).as_numpy_iterator())
    return {
        key: np.concatenate([batch[key] for batch in batches])
        for key in ("targets", *wanted)
    }
