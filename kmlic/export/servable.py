"""What a SavedModel for TF Serving is made of."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kmlic.check_limits import MAX_BYTES, MAX_PIXELS
from kmlic.labels import Labels

# A tf.function, which TensorFlow does not type.
Answer = Any


@dataclasses.dataclass(frozen=True)
class ServingOptions:
    """Holds the version of a SavedModel, its limits and its warm-up requests.

    Args:
        version: a positive number that does not exist yet; None for one more than the
            largest.
        max_bytes: longest encoded image that is decoded.
        max_pixels: largest height times width that is decoded.
        warm_up: encoded images that TF Serving scores before it takes requests, so that
            the first requests are not slow. Needs the extra serving.
    """

    version: int | None = None
    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    warm_up: Sequence[bytes] = ()


def answer_spec(image_size: int) -> list[tf.TensorSpec]:
    """Returns the input signature of an answer for images of one size."""
    images = tf.TensorSpec((None, image_size, image_size, 3), tf.float32, "images")
    return [images, tf.TensorSpec((None,), tf.bool)]


@dataclasses.dataclass(frozen=True, eq=False)
class Servable:
    """Describes a model with signatures for tensors and encoded images.

    Args:
        model: what the signatures call.
        image_size: side S in pixels that images are resized to.
        signatures: by name, the type of `images` (B, H, W, 3), or tf.string for
            `image_bytes` (B,), and the answer: a tf.function with `answer_spec` from
            resized images (B, S, S, 3) and `ok` (B,), False for broken images, to the
            outputs by name. README.md has examples for the first signature.
        about: what the model does, for README.md.
        meaning: what the outputs mean, for README.md.
        labels: stored as asset, and returned by `labels_json`, if not None.
    """

    model: keras.Model
    image_size: int
    signatures: Mapping[str, tuple[tf.DType, Answer]]
    about: str
    meaning: str
    labels: Labels | None = None
