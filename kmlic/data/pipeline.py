"""Images and targets to the batches that models are trained and scored with."""

import logging
from collections.abc import Callable
from typing import Any, Literal

import tensorflow as tf

from kmlic.data.augmentation import Augmentation
from kmlic.data.decoding import Crop, resize_images

CACHE_LIMIT = 2 * 1024**3

_log = logging.getLogger(__name__)


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

    In training the order is shuffled each epoch and each image augmented with its own
    seed; both follow from `seed` and from how often the batches were gone through. The
    pixels do not depend on `cache`: what is kept is the decoded image, before it is
    augmented and resized.

    Shapes: to ((B, S, S, 3), pixels 0-255, (B, L) float32).

    Args:
        elements: pairs of a reference, in any form, and targets (L,); of known length.
        load: a reference to the decoded image (H, W, 3), inside a TensorFlow graph.
        image_size: S in pixels.
        batch_size: B; in training every batch has it, else the last may be smaller.
        training: whether to shuffle, augment and drop the remainder.
        seed: of order and augmentation.
        augmentation: see `Augmentation`.
        cache: whether to keep the decoded images in memory.
        shuffle_buffer: elements held to shuffle; all when None.
        load_part: a reference and the part that is wanted, see `decode_plain`, to that
            part of the decoded image, for a loader that need not decode the rest. Used
            where images are cropped and not cached.
        pixels: "float32", or "uint8": rounded, a quarter of the memory and of what goes
            to a device.

    Raises:
        ValueError: if a number is below 1, there is no such augmentation, or there are
            too few images to fill a training batch.
    """
    for name, value in (("image_size", image_size), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1; got {name}={value}.")
    if pixels not in ("float32", "uint8"):
        raise ValueError(
            f'`pixels` must be "float32" or "uint8"; got pixels={pixels!r}.'
        )
    changes = Augmentation(augmentation)
    count = int(elements.cardinality())
    if training and count < batch_size:
        raise ValueError(
            f"`batch_size` must be at most the number of training images; got "
            f"batch_size={batch_size} for {count} images."
        )

    def decode(reference: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return load(reference), targets

    def rounded(images: tf.Tensor) -> tf.Tensor:
        return images if pixels == "float32" else tf.cast(tf.round(images), tf.uint8)

    def finish(image: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = rounded(resize_images(image, image_size))
        return image, tf.cast(targets, tf.float32)

    def change(
        element: tuple[tf.Tensor, tf.Tensor], image_seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        image, targets = element
        crop = changes.crop(image_seed) if load_part and not cache else None
        if load_part and crop:
            image = load_part(image, crop)
        elif not cache:
            image = load(image)
        image = changes.before_resizing(image, image_seed, cropped=crop is not None)
        image = changes.after_resizing(resize_images(image, image_size), image_seed)
        return image if changes.mixing else rounded(image), tf.cast(targets, tf.float32)

    batches = elements
    if cache:
        batches = _map(batches, decode).cache()
    if training:
        batches = batches.shuffle(
            min(shuffle_buffer or count, count), seed, reshuffle_each_iteration=True
        )
        # One more pair of numbers an image, other ones each epoch.
        seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
        batches = _map(tf.data.Dataset.zip(batches, seeds), change)
    elif cache:
        batches = _map(batches, finish)
    else:
        batches = _map(batches, lambda *element: finish(*decode(*element)))
    batches = batches.batch(batch_size, drop_remainder=training)
    if training and changes.mixing:

        def mix(
            batch: tuple[tf.Tensor, tf.Tensor], batch_seed: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            images, targets = changes.on_batch(*batch, batch_seed)
            return rounded(images), targets

        seeds = tf.data.Dataset.random(seed + 1, rerandomize_each_iteration=True)
        batches = _map(tf.data.Dataset.zip(batches, seeds.batch(2)), mix)
    batches = batches.prefetch(2)
    options = tf.data.Options()
    options.deterministic = True
    return batches.with_options(options)


def fits_in_cache(decoded_bytes: int, limit: int = CACHE_LIMIT) -> bool:
    """Tells whether decoded images may stay in memory, and logs it when they may not.

    Args:
        decoded_bytes: of all images together.
        limit: most bytes to keep.
    """
    if decoded_bytes <= limit:
        return True
    _log.info(
        "decoded images of %.1f GiB exceed the cache of %.1f GiB: each epoch decodes "
        "them anew",
        decoded_bytes / 1024**3,
        limit / 1024**3,
    )
    return False


def _map(dataset: tf.data.Dataset, function: Callable) -> tf.data.Dataset:
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE)
