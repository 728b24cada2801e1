"""Random changes of training images that a seed repeats."""

import functools
from collections.abc import Callable

import tensorflow as tf

from kmlic.data.decode_plain import Crop, cut
from kmlic.data.keras_augmentation import cutout, grid_mask, mix, rand_augment

_SCALES = (1.0, 0.9, 0.8, 0.7, 0.6)
_MAX_DISTORT = 2
_PAIRS = tuple(
    (height, width)
    for i, height in enumerate(_SCALES)
    for j, width in enumerate(_SCALES)
    if abs(i - j) <= _MAX_DISTORT
)
# In quarters of the room that the crop leaves: corners, centre, middles of the edges,
# centres of the quarters.
_POSITIONS = (
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
    *((2, 0), (2, 4), (4, 2), (0, 2)),
    *((1, 1), (1, 3), (3, 1), (3, 3)),
)


def multi_scale_crop(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Crops an image to one of 19 sizes at one of 13 positions.

    Paper: Chen et al., "Multi-Label Image Recognition with Graph Convolutional
    Networks", CVPR 2019, section 4.1, https://arxiv.org/abs/1904.03582, with the scales
    of MSRN. Height and width are 1, 0.9, 0.8, 0.7 or 0.6 of the image's shorter side,
    at most two steps apart. Differs from the authors' code: a crop within 3 pixels of
    the size it is resized to afterwards is not stretched to that size, because that
    could reach beyond the image.

    Shapes: (H, W, C) to (h, w, C).

    Args:
        image: one image, before it is resized.
        seed: two integers; the same seed gives the same crop.

    Example:
        >>> crop = multi_scale_crop(tf.zeros((100, 120, 3)), seed=(1, 2))
        >>> all(60 <= side <= 100 for side in crop.shape[:2])
        True
    """
    return cut(image, functools.partial(crop_window, seed=seed))


def crop_window(sides: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Computes the part that `multi_scale_crop` cuts, before an image is decoded.

    Shapes: (2,) height and width to (4,) int32: top, left, height and width.

    Args:
        sides: of the image, in pixels.
        seed: two integers; the same seed gives the same crop.
    """
    choices = tf.random.stateless_uniform((2,), seed)
    pair = tf.constant(_PAIRS, tf.float64)[_pick(choices[0], len(_PAIRS))]
    quarters = tf.constant(_POSITIONS)[_pick(choices[1], len(_POSITIONS))]
    shorter = tf.cast(tf.reduce_min(sides), tf.float64)
    size = tf.maximum(tf.cast(shorter * pair, tf.int32), 1)
    offset = quarters * ((sides - size) // 4)
    return tf.concat([offset, size], axis=0)


def random_flip(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors an image left to right with probability one half.

    Shapes: (H, W, C) to (H, W, C).

    Args:
        image: one image.
        seed: two integers; the same seed gives the same choice.
    """
    return tf.image.stateless_random_flip_left_right(image, seed)


_Change = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# Changes of an image before it is resized, after it, and of a batch.
_BEFORE: dict[str, tuple[_Change, ...]] = {
    "none": (),
    "flip": (random_flip,),
    "multi_scale_crop": (multi_scale_crop, random_flip),
}
_AFTER: dict[str, _Change] = {
    "rand_augment": rand_augment,
    "cutout": cutout,
    "grid_mask": grid_mask,
}
_MIXING = ("mixup", "cutmix")


class Augmentation:
    """Changes training images at random, each by its own seed.

    Args:
        name: names joined by "+", for instance "flip+rand_augment+cutmix": "none",
            "flip" or "multi_scale_crop" (which flips too), on the decoded image;
            "rand_augment", "cutout" and "grid_mask", on the resized one; "mixup" or
            "cutmix", on batches.

    Raises:
        ValueError: if a name is unknown or repeated, or two exclude each other.

    Example:
        >>> augmentation = Augmentation("flip+cutout")
        >>> image = augmentation.before_resizing(tf.zeros((8, 6, 3)), (0, 1))
        >>> augmentation.after_resizing(image, (0, 1)).shape.as_list()
        [8, 6, 3]
    """

    def __init__(self, name: str) -> None:
        parts = name.split("+")
        known = (*_BEFORE, *_AFTER, *_MIXING)
        firsts, mixings = (
            sum(part in group for part in parts) for group in (_BEFORE, _MIXING)
        )
        repeated = len(set(parts)) < len(parts)
        if repeated or firsts > 1 or mixings > 1 or not set(parts) <= set(known):
            raise ValueError(
                f"`augmentation` must be one or more of {known}, joined by +, with at "
                f"most one of {tuple(_BEFORE)} and one of {_MIXING}; got "
                f"augmentation={name!r}."
            )
        self._before = [c for part in parts for c in _BEFORE.get(part, ())]
        self._after = [_AFTER[part] for part in parts if part in _AFTER]
        self._crops = multi_scale_crop in self._before
        self.mixing = next((part for part in parts if part in _MIXING), None)

    def crop(self, seed: tf.Tensor) -> Crop | None:
        """Returns the part of an image that will be used, None for all of it.

        If only that part was decoded, the image is `cropped` for `before_resizing`.
        """
        if not self._crops:
            return None
        return functools.partial(crop_window, seed=_fold_in(seed, 0))

    def before_resizing(
        self, image: tf.Tensor, seed: tf.Tensor, *, cropped: bool = False
    ) -> tf.Tensor:
        """Changes a decoded image.

        Shapes: (H, W, C) to (h, w, C).
        """
        for number, change in enumerate(self._before):
            if not (cropped and change is multi_scale_crop):
                image = change(image, _fold_in(seed, number))
        return image

    def after_resizing(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Changes a resized image.

        Shapes: (S, S, C) to (S, S, C).
        """
        for number, change in enumerate(self._after):
            image = change(image, _fold_in(seed, 100 + number))
        return image

    def on_batch(
        self, images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mixes the images of a batch, if the augmentation does so.

        Shapes: (B, S, S, C) and (B, L) to the same.
        """
        if self.mixing is None:
            return images, targets
        return mix(images, targets, seed, self.mixing)


def _fold_in(seed: tf.Tensor, number: int) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, number)


def _pick(uniform: tf.Tensor, count: int) -> tf.Tensor:
    return tf.cast(uniform * count, tf.int32)
