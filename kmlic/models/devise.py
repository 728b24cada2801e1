"""DeViSE: embeddings of images in the space of word vectors."""

import pathlib
from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
from keras import layers
from numpy.typing import ArrayLike

from kmlic.backbones import resolve_backbone
from kmlic.check_limits import Count, Dropout, ImageSize, check_arguments
from kmlic.layers import Constant, LabelSimilarity
from kmlic.models._names import EMBEDDING, POOL


def build_devise(
    embedding_size: Count,
    *,
    backbone: str | keras.Model = "small_cnn",
    image_size: ImageSize = 64,
    weights: str | pathlib.Path | None = None,
    hidden_units: Sequence[Count] = (),
    dropout: Dropout = 0.4,
    name: str = "devise",
) -> keras.Model:
    """Builds a network that embeds images in the space of word vectors.

    Weights of `build_classifier` can initialise its backbone, see
    `kmlic.training.transfer_weights`. For training, `score_labels` appends the
    similarity to given labels; `EmbeddingIndex` finds the nearest of any labels.

    Paper: Nishimura, Yu, Hellmers and Desai, "A Combined Deep Learning and Semantic
    Embedding Model for Image Classification", section 2.3, after Frome et al., "DeViSE:
    A Deep Visual-Semantic Embedding Model", NeurIPS 2013,
    https://papers.nips.cc/paper/5204.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 embeddings (B, D).

    Args:
        embedding_size: D, the size of the word vectors.
        backbone: a name for `build_backbone`, or a keras.Model whose outputs are
            feature maps, finest first; the last one is averaged.
        image_size: side of the images in pixels.
        weights: for a named backbone: "imagenet", a path, or None.
        hidden_units: units of layers with ReLU before the embedding; the papers have
            none.
        dropout: share of features dropped before each of the last layers, 0 to 1.
        name: name of the model.

    Raises:
        ValueError: if a number is below 1.

    Example:
        >>> build_devise(50).output_shape
        (None, 50)
    """
    check_arguments(build_devise, locals())
    extractor = resolve_backbone(backbone, image_size=image_size, weights=weights)
    images = keras.Input((image_size, image_size, 3), name="images")
    x = keras.tree.flatten(extractor(images))[-1]
    x = layers.GlobalAveragePooling2D(name=POOL)(x)
    embedding = _head(x, embedding_size, hidden_units, dropout)
    return keras.Model(images, embedding, name=name)


def score_labels(
    model: keras.Model,
    vectors: ArrayLike,
    *,
    metric: Literal["cosine", "dot"] = "cosine",
) -> keras.Model:
    """Appends the similarity to given labels to an embedding model.

    The new model shares the layers; the vectors are saved in its weights.

    Shapes: the model's inputs to float32 similarities (B, L).

    Args:
        model: returns embeddings (B, D).
        vectors: (L, D), one per label, from `kmlic.words`.
        metric: of `LabelSimilarity`.

    Raises:
        ValueError: if the vectors do not have the size of the embeddings.

    Example:
        >>> import numpy as np
        >>> score_labels(build_devise(50), np.eye(7, 50)).output_shape
        (None, 7)
    """
    array = np.asarray(vectors, "float32")
    size = model.output_shape[-1]
    if array.ndim != 2 or array.shape[1] != size:
        raise ValueError(
            f"`vectors` must be (L, {size}), the size of the embeddings; got shape "
            f"{array.shape}."
        )
    embedding = model.outputs[0]
    constant = Constant(array.shape, dtype="float32", name="label_vectors")
    constant.assign(array)
    similarity = LabelSimilarity(metric, dtype="float32", name="similarity")
    scores = similarity(embedding, constant(embedding))
    return keras.Model(model.input, scores, name=model.name)


def embedding_part(model: keras.Model) -> keras.Model:
    """Returns the part of a `score_labels` model up to its embedding.

    The part shares the layers of the model.

    Args:
        model: returns similarities to labels, trained or loaded from a file.

    Raises:
        ValueError: if the model has no layer "embedding".

    Example:
        >>> import numpy as np
        >>> scores = score_labels(build_devise(50), np.eye(7, 50))
        >>> embedding_part(scores).output_shape
        (None, 50)
    """
    if not has_embedding(model):
        raise ValueError(
            f"`model` must have a layer named {EMBEDDING!r}, as `build_devise` "
            f"builds; got {model.name!r}."
        )
    output = model.get_layer(EMBEDDING).output
    return keras.Model(model.input, output, name=model.name)


def part_above_pool(model: keras.Model) -> keras.Model:
    """Returns the part of a model that takes the pooled features.

    The layers are the model's own.

    Args:
        model: has a layer "pool", as `build_devise` and `build_classifier` make it.

    Example:
        >>> part_above_pool(build_devise(50)).input_shape
        (None, 512)
    """
    return keras.Model(model.get_layer(POOL).output, model.output, name=model.name)


def has_embedding(model: keras.Model) -> bool:
    """Returns whether a model has a layer "embedding", as that of `build_devise`."""
    return any(layer.name == EMBEDDING for layer in model.layers)


def _head(
    x: keras.KerasTensor,
    embedding_size: int,
    hidden_units: Sequence[int],
    dropout: float,
) -> keras.KerasTensor:
    for index, units in enumerate(hidden_units, start=1):
        x = layers.Dropout(dropout, name=f"dropout_{index}")(x)
        x = layers.Dense(units, "relu", name=f"hidden_{index}")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    # Linear, as word vectors have positive and negative elements.
    return layers.Dense(embedding_size, dtype="float32", name=EMBEDDING)(x)
