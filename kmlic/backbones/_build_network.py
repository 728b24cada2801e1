"""Normalisation and classifier, shared by all networks."""

from collections.abc import Callable, Sequence

import keras
from keras import layers

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def build_network(
    name: str,
    extract: Callable[[keras.KerasTensor], list[keras.KerasTensor]],
    *,
    image_size: int | None = None,
    channels: int = 3,
    include_top: bool = False,
    num_classes: int = 1000,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
) -> keras.Model:
    """Builds a model from images to feature maps, or to the logits of a classifier.

    Args:
        name: name of the model.
        extract: makes feature maps, finest first, of normalised images.
        image_size: side of the images in pixels; None for any.
        channels: of the images. The first three are RGB pixels 0-255; those after them
            reach the first convolution as they are.
        include_top: whether to end in one float32 logit per class.
        num_classes: number of those classes.
        mean: of the RGB pixels the weights were trained with, as shares of 255.
        std: their standard deviation, likewise.
    """
    images = keras.Input((image_size, image_size, channels), name="images")
    feature_maps = extract(normalise_imagenet(images, mean, std))
    if not include_top:
        return keras.Model(images, feature_maps, name=name)
    x = layers.GlobalAveragePooling2D(name="global_pool")(feature_maps[-1])
    logits = layers.Dense(num_classes, dtype="float32", name="fc")(x)
    return keras.Model(images, logits, name=name)


def normalise_imagenet(images, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """Subtracts the mean of RGB pixels 0-255 and divides by their deviation."""
    scale = [1 / (255 * s) for s in std]
    return rescale(images, scale, [-m / s for m, s in zip(mean, std, strict=True)])


def rescale(
    images: keras.KerasTensor, scale: Sequence[float], offset: Sequence[float]
) -> keras.KerasTensor:
    """Multiplies and shifts the first three channels; the others stay as they are."""
    extra = images.shape[-1] - 3
    return layers.Rescaling(
        [*scale, *[1.0] * extra],
        [*offset, *[0.0] * extra],
        dtype="float32",  # bfloat16 has too few bits for pixels
        name="normalise",
    )(images)
