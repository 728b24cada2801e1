"""Batches of images and targets, for training and for scoring."""

import dataclasses
import functools
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, Required, TypedDict

import numpy as np
import tensorflow as tf

from kmlic.check_choice import check_choice
from kmlic.data.augmentation import Augmentation
from kmlic.data.decode_plain import Crop
from kmlic.data.decoding import resize_images
from kmlic.data.in_order import in_order
from kmlic.data.training_batches import (
    Order,
    ShuffledRows,
    ShuffledStream,
    TrainingBatches,
)

_CACHE_LIMIT = 2 * 1024**3

_log = logging.getLogger(__name__)


class BatchOptions(TypedDict, total=False):
    """Names the options of `build_splits`, which every loader passes on.

    Args:
        image_size: side in pixels that images are resized to; required.
        batch_size: images per batch; required.
        seed: of the order and augmentation of training images, and of new splits.
        augmentation: of training images, see `Augmentation`.
        cache: whether to keep decoded images in memory while they fit.
        pixels: "float32", or "uint8": rounded, a quarter of the memory.
        training: whether `train` has batches to train on; else it is `train_in_order`,
            which may hold fewer images than a batch.
    """

    image_size: Required[int]
    batch_size: Required[int]
    seed: int
    augmentation: str
    cache: bool
    pixels: Literal["float32", "uint8"]
    training: bool


def build_splits(
    elements: Mapping[str, tf.data.Dataset],
    load: Callable[..., tf.Tensor],
    options: BatchOptions,
    *,
    cache: bool,
    **more: Any,
) -> dict[str, tf.data.Dataset]:
    """Builds the batches of all splits, and those of the training images in order.

    Args:
        elements: split to its images, see `build_batches`. The split "train" may be
            empty, in data to evaluate models on.
        load: see `build_batches`.
        options: of the loader.
        cache: whether to keep decoded images in memory, whatever `options` say;
            "train_in_order" never keeps them.
        **more: see `build_batches`.

    Returns:
        "train", "train_in_order", "validation" and "test" to their batches, for
        `MultiLabelData`.
    """
    datasets = {}
    for key, images in {**elements, "train_in_order": elements["train"]}.items():
        own: dict[str, Any] = {**options, "cache": cache and key != "train_in_order"}
        own["training"] = (
            key == "train"
            and options.get("training", True)
            and int(images.cardinality()) > 0
        )
        datasets[key] = build_batches(images, load, **own, **more)
    return datasets


def build_batches(
    elements: tf.data.Dataset,
    load: Callable[..., tf.Tensor],
    *,
    image_size: int,
    batch_size: int,
    training: bool,
    seed: int = 0,
    augmentation: str = "flip",
    cache: bool = True,
    shuffle_buffer: int | None = None,
    load_part: Callable[[Any, Crop], tf.Tensor] | None = None,
    pixels: Literal["float32", "uint8"] = "float32",
) -> tf.data.Dataset:
    """Turns references to images into batches of pixels and targets.

    Training images are shuffled in each epoch, and each is augmented by its own seed;
    both depend on `seed` and the step alone, see `TrainingBatches`. The pixels do not
    depend on `cache`: it keeps decoded images, before they are augmented and resized.

    Shapes: to ((B, S, S, 3), pixels 0-255, (B, L) float32).

    Args:
        elements: pairs of a reference to an image and its targets (L,); of known length
            and always in the same order.
        load: returns the decoded image (H, W, 3) of a reference, in a TensorFlow graph,
            without AutoGraph.
        image_size: S in pixels.
        batch_size: B; only the last batch for scoring may be smaller.
        training: whether to shuffle, augment and drop the remainder.
        seed: of order and augmentation.
        augmentation: see `Augmentation`.
        cache: whether to keep the decoded images in memory.
        shuffle_buffer: elements held to shuffle them; None to hold all, so that an
            interrupted training continues at once.
        load_part: returns the part of a decoded image that `decode_plain` calls `crop`,
            without decoding the rest. Used where images are cropped and not cached.
        pixels: "float32", or "uint8": rounded, a quarter of the memory.

    Raises:
        ValueError: if a number is below 1, there is no such augmentation, or there are
            too few images to fill a training batch.
    """
    for name, value in (("image_size", image_size), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1; got {name}={value}.")
    check_choice("pixels", pixels, "float32", "uint8")
    changes = Augmentation(augmentation)
    count = int(elements.cardinality())
    if training and count < batch_size:
        raise ValueError(
            f"`batch_size` must be at most the number of training images; got "
            f"batch_size={batch_size} for {count} images."
        )
    images = _Images(load, load_part, changes, image_size, pixels, cache)
    if not training:
        if cache:
            batches = _map(_map(elements, images.decode).cache(), images.finish)
        else:
            batches = _map(elements, lambda *pair: images.finish(*images.decode(*pair)))
        return in_order(batches.batch(batch_size).prefetch(2))
    rows = np.arange(count)
    order: Order = ShuffledRows(rows, batch_size, seed)
    if streamed := shuffle_buffer is not None and not cache:
        block = max((shuffle_buffer or 0) // 2, 1)
        order = ShuffledStream(elements, rows, batch_size, seed, block)
    # Held when training batches are first read: often a dataset is only scored.
    held = functools.cache(
        lambda: _hold(_map(elements, images.decode) if cache else elements)
    )

    def load_draws(draws: tf.data.Dataset) -> tf.data.Dataset:
        size = draws.element_spec[0].shape[0]
        draws = draws.unbatch()
        if streamed:
            drawn = _map(draws, lambda _, number, pair: images.change(number, pair))
        else:
            read = held()
            drawn = _map(draws, lambda row, number: images.change(number, read(row)))
        batches = drawn.batch(size, drop_remainder=True)
        batches = batches.map(images.mix, tf.data.AUTOTUNE)
        return in_order(batches.prefetch(2))

    spec = (
        tf.TensorSpec((batch_size, image_size, image_size, 3), tf.as_dtype(pixels)),
        tf.TensorSpec((batch_size, *elements.element_spec[1].shape), tf.float32),
    )
    return TrainingBatches(order, load_draws, spec, mixes=changes.mixing is not None)


@dataclasses.dataclass(frozen=True, eq=False)
class _Images:
    """Loads, changes and resizes images inside a pipeline, see `build_batches`."""

    load: Callable[..., tf.Tensor]
    load_part: Callable[[Any, Crop], tf.Tensor] | None
    changes: Augmentation
    image_size: int
    pixels: str
    cached: bool

    def decode(
        self, reference: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self.load(reference), targets

    def finish(
        self, image: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        image = self._rounded(resize_images(image, self.image_size))
        return image, tf.cast(targets, tf.float32)

    def change(
        self, seed: tf.Tensor, pair: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        image, targets = pair
        changes = self.changes
        crop = changes.crop(seed) if self.load_part and not self.cached else None
        if self.load_part and crop:
            image = self.load_part(image, crop)
        elif not self.cached:
            image = self.load(image)
        image = changes.before_resizing(image, seed, cropped=crop is not None)
        image = changes.after_resizing(resize_images(image, self.image_size), seed)
        image = image if changes.mixing else self._rounded(image)
        return image, tf.cast(targets, tf.float32), seed

    def mix(
        self, images: tf.Tensor, targets: tf.Tensor, seeds: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if self.changes.mixing is None:
            return images, targets
        images, targets = self.changes.on_batch(images, targets, seeds[0])
        return self._rounded(images), targets

    def _rounded(self, images: tf.Tensor) -> tf.Tensor:
        if self.pixels == "float32":
            return images
        return tf.cast(tf.round(images), tf.uint8)


def _hold(elements: tf.data.Dataset) -> Callable[[tf.Tensor], Any]:
    """Holds all elements in memory and returns a function that reads one by its row.

    Images of different shapes are held in one array: all images together might not fit
    into memory twice.
    """
    spec = elements.element_spec
    if all(each.shape.is_fully_defined() for each in tf.nest.flatten(spec)):
        (together,) = elements.batch(int(elements.cardinality()))
        return lambda row: tf.nest.map_structure(lambda x: tf.gather(x, row), together)
    images, shapes, targets = bytearray(), [], []
    for image, own in in_order(elements).prefetch(16).as_numpy_iterator():
        images += image.tobytes()
        shapes.append(image.shape)
        targets.append(own)
    pixels = tf.constant(np.frombuffer(images, np.uint8))
    sizes = np.array(shapes, np.int64)
    ends = np.cumsum(sizes.prod(axis=1))
    starts = tf.constant(ends - sizes.prod(axis=1))
    kept_sizes, kept_targets = tf.constant(sizes), tf.constant(np.array(targets))

    def read(row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = kept_sizes[row]
        image = tf.slice(pixels, [starts[row]], [tf.reduce_prod(size)])
        image = tf.ensure_shape(tf.reshape(image, size), spec[0].shape)
        return image, kept_targets[row]

    return read


def fits_in_cache(decoded_bytes: int) -> bool:
    """Returns whether decoded images fit in memory, and logs it when they do not."""
    if decoded_bytes <= _CACHE_LIMIT:
        return True
    _log.info(
        "decoded images of %.1f GiB exceed the cache of %.1f GiB: each epoch decodes "
        "them again",
        decoded_bytes / 1024**3,
        _CACHE_LIMIT / 1024**3,
    )
    return False


def _map(dataset: tf.data.Dataset, function: Callable) -> tf.data.Dataset:
    # AutoGraph would take a second in each process to rewrite all that is called.
    function = tf.autograph.experimental.do_not_convert(function)
    return dataset.map(function, num_parallel_calls=os.cpu_count())
