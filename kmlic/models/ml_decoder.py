"""ML-Decoder on a backbone."""

import pathlib

import keras
import numpy as np
from numpy.typing import ArrayLike

from kmlic.backbones import resolve_backbone
from kmlic.check_limits import Count, Dropout, ImageSize, check_arguments
from kmlic.layers import Constant, MLDecoder
from kmlic.models._names import LOGITS


def build_ml_decoder(
    num_labels: Count,
    *,
    backbone: str | keras.Model = "resnet101",
    num_groups: Count | None = None,
    word_vectors: ArrayLike | None = None,
    embedding_size: Count = 768,
    num_heads: Count = 8,
    hidden_units: Count = 2048,
    dropout: Dropout = 0.1,
    image_size: ImageSize = 448,
    weights: str | pathlib.Path | None = None,
    name: str = "ml_decoder",
) -> keras.Model:
    """Builds a backbone with ML-Decoder, one query per group of labels.

    Paper: Ridnik et al., "ML-Decoder: Scalable and Versatile Classification Head",
    2021, https://arxiv.org/abs/2111.12933. `MLDecoder` says what it computes.

    To score labels without training images, train with `word_vectors`, build a model
    with the vectors of the other labels, and copy all weights except the vectors.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L).

    Args:
        num_labels: number of labels L.
        backbone: a name for `build_backbone`, or a keras.Model whose outputs are
            feature maps, finest first; the last one is used.
        num_groups: of `MLDecoder`.
        word_vectors: (L, V), one vector per label as its query, from `kmlic.words`.
        embedding_size: of `MLDecoder`.
        num_heads: of `MLDecoder`.
        hidden_units: of `MLDecoder`.
        dropout: of `MLDecoder`.
        image_size: side of the images in pixels.
        weights: for a named backbone: "imagenet", a path, or None.
        name: name of the model.

    Raises:
        ValueError: if a number is out of its range, or there is not one finite word
            vector per label.

    Example:
        >>> model = build_ml_decoder(
        ...     5, backbone="small_resnet", embedding_size=32, image_size=64
        ... )
        >>> model.output_shape
        (None, 5)
    """
    check_arguments(build_ml_decoder, locals())
    extractor = resolve_backbone(backbone, image_size=image_size, weights=weights)
    images = keras.Input((image_size, image_size, 3), name="images")
    features = keras.tree.flatten(extractor(images))[-1]
    # The head stays in float32: softmax over hundreds of regions needs it.
    decode = MLDecoder(
        num_labels,
        num_groups=num_groups,
        embedding_size=embedding_size,
        num_heads=num_heads,
        hidden_units=hidden_units,
        dropout=dropout,
        dtype="float32",
        name=LOGITS,
    )
    if word_vectors is None:
        return keras.Model(images, decode(features), name=name)
    vectors = np.asarray(word_vectors, "float32")
    if (
        vectors.ndim != 2
        or len(vectors) != num_labels
        or not np.isfinite(vectors).all()
    ):
        raise ValueError(
            f"`word_vectors` must be {num_labels} finite vectors, one per label; got "
            f"shape {vectors.shape}."
        )
    words = Constant(vectors.shape, dtype="float32", name="word_vectors")
    words.assign(vectors)
    return keras.Model(images, decode(features, words(features)), name=name)
