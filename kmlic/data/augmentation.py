"""Random changes of training images, repeatable by their seed."""

from collections.abc import Callable

import tensorflow as tf

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
    """Cuts a random part of one of 19 sizes at one of 13 places.

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
    choices = tf.random.stateless_uniform((2,), seed)
    pair = tf.constant(_PAIRS, tf.float64)[_pick(choices[0], len(_PAIRS))]
    quarters = tf.constant(_POSITIONS)[_pick(choices[1], len(_POSITIONS))]
    sides = tf.shape(image)[:2]
    shorter = tf.cast(tf.reduce_min(sides), tf.float64)
    size = tf.maximum(tf.cast(shorter * pair, tf.int32), 1)
    offset = quarters * ((sides - size) // 4)
    return tf.slice(
        image, tf.concat([offset, [0]], axis=0), tf.concat([size, [-1]], axis=0)
    )


def random_flip(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors an image left to right with probability one half.

    Shapes: (H, W, C) to (H, W, C).

    Args:
        image: one image.
        seed: two integers; the same seed gives the same choice.
    """
    return tf.image.stateless_random_flip_left_right(image, seed)


AUGMENTATIONS: dict[str, tuple[Callable[[tf.Tensor, tf.Tensor], tf.Tensor], ...]] = {
    "none": (),
    "flip": (random_flip,),
    "multi_scale_crop": (multi_scale_crop, random_flip),
}


def augment(image: tf.Tensor, seed: tf.Tensor, augmentation: str) -> tf.Tensor:
    """Changes one training image at random, before it is resized.

    Shapes: (H, W, C) to (h, w, C).

    Args:
        image: one decoded image.
        seed: two integers; the same seed gives the same image.
        augmentation: "none", "flip" or "multi_scale_crop" (which flips too).

    Raises:
        ValueError: if there is no such augmentation.

    Example:
        >>> augment(tf.zeros((8, 6, 3)), (0, 1), "flip").shape.as_list()
        [8, 6, 3]
    """
    require_augmentation(augmentation)
    for number, change in enumerate(AUGMENTATIONS[augmentation]):
        image = change(image, tf.random.experimental.stateless_fold_in(seed, number))
    return image


def require_augmentation(augmentation: str) -> None:
    """Refuses the name of an augmentation that does not exist.

    Raises:
        ValueError: naming those that do.
    """
    if augmentation not in AUGMENTATIONS:
        raise ValueError(
            f"`augmentation` must be one of {tuple(AUGMENTATIONS)}; got "
            f"augmentation={augmentation!r}."
        )


def _pick(uniform: tf.Tensor, count: int) -> tf.Tensor:
    return tf.cast(uniform * count, tf.int32)
