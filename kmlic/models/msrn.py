"""MSRN: Multi-layered Semantic Representation Network."""

import pathlib
from typing import Literal

import keras
import numpy as np
from keras import layers
from numpy.typing import ArrayLike

from kmlic.backbones import resolve_backbone
from kmlic.check_choice import check_choice
from kmlic.check_limits import Count, ImageSize, NonNegative, check_arguments
from kmlic.check_number import check_number
from kmlic.layers import Constant, LabelGroupEmbedding, SemanticGuidedAttention
from kmlic.layers.torch_uniform import torch_uniform
from kmlic.models._names import LOGITS


def build_msrn(
    word_vectors: ArrayLike,
    adjacency: ArrayLike,
    *,
    backbone: str | keras.Model = "resnet101",
    num_groups: Count = 4,
    embedding_size: Count = 512,
    hidden_units: Count = 2048,
    branches: Count = 3,
    semantics: Literal["labels+groups", "labels", "groups", "none"] = "labels+groups",
    image_size: ImageSize | None = 448,
    weights: str | pathlib.Path | None = None,
    trainable_words: bool = False,
    label_units: Count | None = 256,
    graph_units: Count = 300,
    relu_before_groups: bool = True,
    group_loss: Literal["squared", "norm"] = "squared",
    group_loss_weight: NonNegative = 1e-3,
    link_loss_weight: NonNegative = 0.0,
    entropy_loss_weight: NonNegative = 0.0,
    buffers: Literal["lower", "last_two", "none"] = "lower",
    pooling: Literal["avg", "max"] = "avg",
    negative_slope: NonNegative = 0.01,
    name: str = "msrn",
) -> keras.Model:
    """Builds MSRN, which attends to labels and label groups at several depths.

    Paper: Qu, Che, Huang, Xu and Zheng, "Multi-layered Semantic Representation Network
    for Multi-label Image Classification", 2021, https://arxiv.org/abs/2106.11596.
    Differs from the paper, as its code does: see `LabelGroupEmbedding`. Differs from
    its code: the loss of equation 6 has the paper's form and weight, and the unused
    element-wise predictor and first buffer are left out.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L).

    Args:
        word_vectors: (L, V), one vector per label, from `kmlic.words`.
        adjacency: (L, L), positive at (i, j) where label i learns from label j, from
            `kmlic.graphs`.
        backbone: a name for `build_backbone`, or a keras.Model whose outputs are
            feature maps, finest first.
        num_groups: number of label groups G, at most L. The paper takes 4.
        embedding_size: size D shared by embeddings and projected features.
        hidden_units: units of the layer before the logits.
        branches: number of the backbone's maps that are attended to, the deepest ones.
        semantics: which embeddings attend: "labels+groups", "labels", "groups", or
            "none", where each branch is pooled over all regions.
        image_size: side of the images in pixels; None for any.
        weights: for a named backbone: "imagenet", a path, or None.
        trainable_words: whether training updates the word vectors, for labels without
            vectors.
        label_units: of `LabelGroupEmbedding`; None is the paper's text.
        graph_units: of `LabelGroupEmbedding`.
        relu_before_groups: of `LabelGroupEmbedding`; False is the paper's text.
        group_loss: of `LabelGroupEmbedding`; "norm" is the code's.
        group_loss_weight: of `LabelGroupEmbedding`; the code's is 1e-4.
        link_loss_weight: of `DiffPool`.
        entropy_loss_weight: of `DiffPool`.
        buffers: which branches have a 1x1 convolution that shields the backbone from
            their gradients: "lower", all but the deepest, as the code; "last_two",
            another reading of the paper; "none".
        pooling: "avg" or "max", for `semantics="none"`; "avg" equals attention with
            embeddings of zeros.
        negative_slope: of the leaky ReLU before the logits.
        name: name of the model.

    Raises:
        ValueError: if the arrays are not of the same labels, a number is out of its
            range, or the backbone's maps are too few or too small.

    Example:
        >>> import numpy as np
        >>> words = np.random.default_rng(0).normal(size=(5, 50))
        >>> model = build_msrn(
        ...     words,
        ...     np.eye(5),
        ...     backbone="small_resnet",
        ...     num_groups=2,
        ...     embedding_size=16,
        ...     hidden_units=32,
        ...     image_size=64,
        ... )
        >>> model.output_shape
        (None, 5)
    """
    check_arguments(build_msrn, locals())
    word_vectors, adjacency = _check_graph(word_vectors, adjacency)
    num_labels = len(word_vectors)
    check_choice("semantics", semantics, "labels+groups", "labels", "groups", "none")
    check_choice("group_loss", group_loss, "squared", "norm")
    check_choice("buffers", buffers, "lower", "last_two", "none")
    check_choice("pooling", pooling, "avg", "max")
    if num_groups > num_labels and semantics in ("labels+groups", "groups"):
        raise ValueError(
            "`num_groups` must be at most the number of labels; got "
            f"num_groups={num_groups} for {num_labels} labels."
        )

    extractor = resolve_backbone(backbone, image_size=image_size, weights=weights)
    images = keras.Input((image_size, image_size, 3), name="images")
    feature_maps = keras.tree.flatten(extractor(images))
    stages = _deepest_stages(feature_maps, branches, extractor.name)
    buffered = {"lower": stages[:-1], "last_two": stages[-2:], "none": []}[buffers]

    embeddings = None
    if semantics != "none":
        words = Constant(
            word_vectors.shape, trainable_words, dtype="float32", name="word_vectors"
        )
        graph = Constant(adjacency.shape, dtype="float32", name="adjacency")
        words.assign(word_vectors)
        graph.assign(adjacency)
        embeddings = LabelGroupEmbedding(
            embedding_size,
            num_groups,
            semantics,
            graph_units=graph_units,
            label_units=label_units,
            relu_before_groups=relu_before_groups,
            group_loss=group_loss,
            group_loss_weight=group_loss_weight,
            link_loss_weight=link_loss_weight,
            entropy_loss_weight=entropy_loss_weight,
            dtype="float32",
            name="label_group_embedding",
        )(words(feature_maps), graph(feature_maps))  # (L + G, D)

    representations = []
    for stage in stages:
        x = feature_maps[stage - 1]
        if stage in buffered:
            x = _buffer(x, stage)
        x = layers.MaxPooling2D(2, name=f"pool_{stage}")(x)
        x = layers.Conv2D(
            embedding_size,
            1,
            kernel_initializer=torch_uniform(),
            name=f"project_{stage}",
        )(x)  # (B, H, W, D)
        representations.append(_represent(x, embeddings, pooling, stage))

    # The head is in float32: it sums thousands of products.
    x = representations[0]
    if len(representations) > 1:
        x = layers.Concatenate(dtype="float32", name="representations")(representations)
    x = layers.Activation("tanh", dtype="float32", name="tanh")(x)
    x = layers.Flatten(dtype="float32", name="flatten")(x)  # label after label
    x = layers.Dense(
        hidden_units, kernel_initializer=torch_uniform(), dtype="float32", name="hidden"
    )(x)
    x = layers.LeakyReLU(negative_slope, dtype="float32", name="leaky_relu")(x)
    logits = layers.Dense(
        num_labels, kernel_initializer=torch_uniform(), dtype="float32", name=LOGITS
    )(x)
    return keras.Model(images, logits, name=name)


def _check_graph(
    word_vectors: ArrayLike, adjacency: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    words = np.asarray(word_vectors, dtype="float32")
    graph = np.asarray(adjacency, dtype="float32")
    if words.ndim != 2 or not words.size:
        raise ValueError(
            "`word_vectors` must have one row per label (L, V); got shape "
            f"{words.shape}."
        )
    if graph.shape != (len(words), len(words)):
        raise ValueError(
            "`adjacency` must have one row and one column per label; got shape "
            f"{graph.shape} for {len(words)} word vectors."
        )
    for argument, array in (("word_vectors", words), ("adjacency", graph)):
        rows = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(rows):
            raise ValueError(
                f"`{argument}` must be finite; got NaN or infinity in row {rows[0]}."
            )
    return words, graph


def _deepest_stages(
    feature_maps: list[keras.KerasTensor], branches: int, backbone: str
) -> list[int]:
    check_number("branches", branches, at_most=len(feature_maps))
    height, width = feature_maps[-1].shape[1:3]
    if 1 in (height, width):
        raise ValueError(
            "`image_size` must leave the deepest feature map 2 regions or more a side, "
            f"as they are pooled in pairs; got {height} x {width} from {backbone}. "
            "Take larger images."
        )
    return list(range(len(feature_maps) - branches + 1, len(feature_maps) + 1))


def _buffer(x: keras.KerasTensor, stage: int) -> keras.KerasTensor:
    return layers.Conv2D(
        x.shape[-1],
        1,
        kernel_initializer=keras.initializers.VarianceScaling(
            2.0, "fan_out", "untruncated_normal"
        ),
        name=f"buffer_{stage}",
    )(x)


def _represent(
    x: keras.KerasTensor, embeddings: keras.KerasTensor | None, pooling: str, stage: int
) -> keras.KerasTensor:
    """Returns the representation of each label and group, (B, L + G, D)."""
    if embeddings is not None:
        attend = SemanticGuidedAttention(dtype="float32", name=f"attend_{stage}")
        return attend(x, embeddings)
    pool = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}
    return pool[pooling](dtype="float32", name=f"attend_{stage}")(x)
