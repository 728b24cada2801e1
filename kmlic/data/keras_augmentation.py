"""Image layers of Keras and keras-cv, as changes that depend on a seed alone."""

import functools
from collections.abc import Sequence

import keras
import tensorflow as tf

_NUM_CHANGES = 2
_FACTOR = 0.3
_MIXUP_ALPHA = 0.2
_RANGE = (0, 255)
_GRID_RATIO = 0.5


class _Seeds(keras.random.SeedGenerator):
    """Derives Keras' seeds from one tensor.

    Keras' own generator keeps its state in a variable: where several images are changed
    at once, an image's seed would depend on which one came first.
    """

    def __init__(self, seed: tf.Tensor) -> None:
        self._start = seed
        self._drawn = 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        """Returns the next seed."""
        del ordered
        self._drawn += 1
        return tf.random.experimental.stateless_fold_in(self._start, self._drawn)


def rand_augment(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Changes an image in two of eleven ways, each with its own random strength.

    Shear, shift, rotation, brightness, colour, contrast, sharpness, solarisation,
    posterisation, automatic contrast and equalisation, by Keras' layers of these names
    with factor 0.3.

    Paper: Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a
    Reduced Search Space", CVPR Workshops 2020, https://arxiv.org/abs/1909.13719.
    Differs from it, and from keras.layers.RandAugment: strengths are random up to the
    factor; each image draws its own changes, and only those are computed.

    Shapes: (H, W, 3) to (H, W, 3) float32.

    Args:
        image: pixels 0-255.
        seed: two integers; the same seed gives the same image.
    """
    image = tf.cast(image, tf.float32)
    changes = [functools.partial(_change, layer) for layer in _layers()]
    for number in range(_NUM_CHANGES):
        own = tf.random.experimental.stateless_fold_in(seed, number)
        choice = tf.random.stateless_uniform((), own, 0, len(changes), tf.int32)
        branches = [functools.partial(change, image, own) for change in changes]
        image = tf.ensure_shape(tf.switch_case(choice, branches), image.shape)
    return image


def cutout(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Fills a random rectangle with grey: 2 to 33 % of the image, half of the time.

    Paper: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020,
    https://arxiv.org/abs/1708.04896, as keras.layers.RandomErasing does it. Differs
    from it: the rectangle is grey, as in DeVries and Taylor's "Cutout".

    Shapes: (H, W, 3) to (H, W, 3) float32.

    Args:
        image: pixels 0-255.
        seed: two integers; the same seed gives the same image.
    """
    image = tf.cast(image, tf.float32)
    return tf.ensure_shape(_change(_erasing(), image, seed), image.shape)


def grid_mask(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Blackens a grid of squares, half of the time.

    The grid's step is a third to a half of the image's sides, half of each step is
    blackened in both directions, and the grid is shifted and turned at random.

    Paper: Chen et al., "GridMask Data Augmentation", 2020,
    https://arxiv.org/abs/2001.04086, by keras-cv's layer GridMask: it draws the grid,
    turns it and blackens the image; its random numbers come from the seed.

    Shapes: (H, W, 3) to (H, W, 3) float32.

    Args:
        image: pixels 0-255.
        seed: two integers; the same seed gives the same image.
    """
    import keras_cv  # takes seconds, and only this needs it

    image = tf.cast(image, tf.float32)
    draws = _Draws(tf.convert_to_tensor(seed))
    layer = keras_cv.layers.GridMask(
        ratio_factor=keras_cv.core.ConstantFactorSampler(_GRID_RATIO)
    )
    layer._random_generator = layer.random_rotate._random_generator = draws
    # Between pixels, the mask would be cast to True and grow.
    layer.random_rotate.interpolation = "nearest"
    drawn = layer.get_random_transformation(image=image)
    masked = layer.augment_image(image, transformation=drawn)
    chosen = draws.uniform(()) < 0.5
    return tf.ensure_shape(tf.where(chosen, masked, image), image.shape)


class _Draws:
    """Draws keras-cv's random numbers from a seed, in place of its generator.

    Its own generator keeps a state, as the one that `_Seeds` replaces.
    """

    def __init__(self, seed: tf.Tensor) -> None:
        self._seeds = _Seeds(seed)

    def uniform(
        self,
        shape: Sequence[int],
        minval: tf.Tensor | float = 0.0,
        maxval: tf.Tensor | float = 1.0,
        dtype: tf.DType = tf.float32,
    ) -> tf.Tensor:
        """Returns the next numbers."""
        seed = self._seeds.next()
        return tf.random.stateless_uniform(shape, seed, minval, maxval, dtype)


def mix(images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, kind: str) -> tf.Tensor:
    """Mixes each image of a batch with another one, and their targets too.

    "mixup" adds the pixels of both, "cutmix" puts a rectangle of one into the other. A
    target becomes the share of the pixels whose image has the label; it is unknown
    where it is unknown in either.

    Paper: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
    https://arxiv.org/abs/1710.09412, with alpha 0.2; Yun et al., "CutMix", ICCV 2019,
    https://arxiv.org/abs/1905.04899, with alpha 1; by Keras' layers MixUp and CutMix.

    Shapes: (B, S, S, 3) and (B, L) to the same, float32.

    Args:
        images: pixels 0-255.
        targets: 1 present, 0 absent, -1 unknown.
        seed: two integers; the same seed gives the same batch.
        kind: "mixup" or "cutmix".

    Example:
        >>> images = tf.stack([tf.zeros((4, 4, 3)), tf.fill((4, 4, 3), 200.0)])
        >>> targets = tf.constant([[0.0, -1.0], [1.0, 1.0]])
        >>> mixed, shares = mix(images, targets, (1, 2), "mixup")
        >>> bool(tf.reduce_all(mixed[:, 0, 0, 0] / 200 == shares[:, 0]))
        True
    """
    layer = _mixing(kind)
    images, targets = tf.cast(images, tf.float32), tf.cast(targets, tf.float32)
    seeds = _Seeds(tf.convert_to_tensor(seed))
    drawn = layer.get_random_transformation(images, training=True, seed=seeds)
    known = tf.cast(targets != -1, tf.float32)
    mixed = layer.transform_labels(targets * known, drawn, training=True)
    both_known = layer.transform_labels(known, drawn, training=True) > 1 - 1e-6
    return (
        layer.transform_images(images, drawn, training=True),
        tf.where(both_known, mixed, -1.0),
    )


def _change(layer: keras.Layer, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    batch = image[None]
    drawn = layer.get_random_transformation(batch, training=True, seed=_Seeds(seed))
    changed = layer.transform_images(batch, drawn, training=True)
    return tf.clip_by_value(tf.cast(changed[0], tf.float32), *_RANGE)


@functools.cache
def _layers() -> tuple[keras.Layer, ...]:
    layers = keras.layers
    return (
        layers.RandomShear(_FACTOR, _FACTOR, fill_mode="nearest"),
        layers.RandomTranslation(_FACTOR, _FACTOR, fill_mode="nearest"),
        layers.RandomRotation(_FACTOR / 2, fill_mode="nearest"),
        layers.RandomBrightness(_FACTOR, value_range=_RANGE),
        layers.RandomColorDegeneration(_FACTOR, value_range=_RANGE),
        layers.RandomContrast(_FACTOR, value_range=_RANGE),
        layers.RandomSharpness(_FACTOR, value_range=_RANGE),
        layers.Solarization(_FACTOR, _FACTOR, value_range=_RANGE),
        layers.RandomPosterization(4, value_range=_RANGE),
        layers.AutoContrast(value_range=_RANGE),
        layers.Equalization(value_range=_RANGE),
    )


@functools.cache
def _erasing() -> keras.Layer:
    return keras.layers.RandomErasing(
        factor=(0.5, 0.5), scale=(0.02, 0.33), fill_value=127.5, value_range=_RANGE
    )


@functools.cache
def _mixing(kind: str) -> keras.Layer:
    if kind == "mixup":
        return keras.layers.MixUp(alpha=_MIXUP_ALPHA)
    return keras.layers.CutMix(factor=1.0)
