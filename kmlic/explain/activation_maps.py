"""Activation maps: one per image and label."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kmlic.layers.keras_internals import graph_nodes
from kmlic.models import ACTIVATION_MAPS, ATTENTION, POOL
from kmlic.require_tensorflow import require_tensorflow

_OF_OTHER_HEAD = re.compile(f"[a-z]_{POOL}")
_GLOBAL_POOLS = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)


class NoMapsError(ValueError):
    """Says that a model has no maps of its labels."""


def activation_maps(
    model: keras.Model,
    images: np.ndarray,
    *,
    score: Callable[[tf.Tensor], tf.Tensor] | None = None,
    batch_size: int = 32,
) -> np.ndarray:
    """Computes one map per image and label, high where the model sees the label.

    The maps come from the first of these that the model's own layers offer:

    1. a layer named `activation_maps`: its output (B, H, W, L) is the maps. The CAM
       generator, WILDCAT and DecoupleNet have one.
    2. layers with a method `attention(*inputs) -> (B, H, W, E)`, such as MSRN's
       `SemanticGuidedAttention`: their attention to the first L of E embeddings,
       resized to the finest resolution and averaged over the layers.
    3. a layer named `pool`: its input (B, H, W, C) is the feature map, weighted by the
       gradient of each logit, summed over the regions. If one linear layer follows an
       average or maximum pool, these are class activation maps. In a backbone with its
       own classifier, the global pooling layer serves as `pool`. Logits that also
       depend on other views of the image have the maps of the view that is pooled.

    In an average of models they are the maps of the first one.

    Paper: Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR
    2016, equation 2, https://arxiv.org/abs/1512.04150; for non-linear heads Selvaraju
    et al., "Grad-CAM", ICCV 2017, equations 1 and 2, https://arxiv.org/abs/1610.02391.
    Differs from Grad-CAM: gradients are summed instead of averaged, so that the maps
    of a linear layer are those of the first paper, and negative values are kept.

    Shapes: (B, S, S, 3) to (B, H, W, L), float32, at the resolution of the model's
    feature map.

    Args:
        model: from images to logits, or to embeddings with `score`.
        images: pixels 0-255 of the model's image size.
        score: for maps by gradients, what to explain instead of the logits: maps the
            model's outputs (B, K) to (B, L) with TensorFlow operations. For embeddings
            the similarity to the nearest word yields one map.
        batch_size: images per batch.

    Raises:
        NoMapsError: if the model has none of these layers, its maps are not one per
            label, or an inner model that pools is called for several views.
        ValueError: if Keras has another backend than TensorFlow, or `score` is given
            for a model with its own maps.

    Example:
        >>> from kmlic.models import build_classifier
        >>> model = build_classifier(5, backbone="small_resnet", image_size=64)
        >>> activation_maps(model, np.zeros((2, 64, 64, 3))).shape
        (2, 2, 2, 5)
    """
    require_tensorflow("activation_maps")
    compute = find_explanation(model, score).compute
    starts = range(0, len(images), batch_size)
    if not starts:
        raise ValueError("`images` must hold at least one image; got none.")
    maps = [
        compute(tf.convert_to_tensor(images[start : start + batch_size])).numpy()
        for start in starts
    ]
    return np.concatenate(maps).astype("float32")


class Explanation(NamedTuple):
    """Holds how the maps of a model are computed.

    Args:
        compute: from images to maps (B, H, W, L).
        inputs: symbolic images.
        features: symbolic feature maps (B, H, W, C) computed from the inputs; the maps
            have the resolution of the finest.
    """

    compute: Callable[[tf.Tensor], tf.Tensor]
    inputs: Sequence[keras.KerasTensor]
    features: Sequence[keras.KerasTensor]


def find_explanation(
    model: keras.Model, score: Callable[[tf.Tensor], tf.Tensor] | None = None
) -> Explanation:
    """Finds the layers that provide the maps of a model.

    Args:
        model: as for `activation_maps`.
        score: as for `activation_maps`.

    Raises:
        ValueError: as `activation_maps`, `NoMapsError` among them.
    """
    model = _of_one_view(model)
    named = {layer.name: layer for layer in model.layers}
    attending = [x for x in model.layers if callable(getattr(x, ATTENTION, None))]
    if score is not None and (ACTIVATION_MAPS in named or attending):
        raise ValueError(
            f"`score` must be None for {model.name!r}, which has its own maps."
        )
    if ACTIVATION_MAPS in named:
        return _explain_by_layer(model, named[ACTIVATION_MAPS])
    if attending:
        return _explain_by_attention(model, attending)
    parts = _split_at_pool(model)
    if parts is not None:
        return _explain_by_gradients(*parts, score)
    raise NoMapsError(
        f"`model` must have a layer named {ACTIVATION_MAPS!r} or {POOL!r}, or one with "
        f"a method `{ATTENTION}`; got {model.name!r} with the layers {list(named)}."
    )


def _of_one_view(model: keras.Model) -> keras.Model:
    """Returns what computes the first logits of an average of models, or of views."""
    nodes = [
        node
        for node in graph_nodes(model)
        if isinstance(node.operation, keras.Model)
        and node.operation.output_shape == model.output_shape
    ]
    # Models in a row, such as logits to calibrated logits, have other inputs.
    if len(nodes) < 2 or len({str(x.operation.input_shape) for x in nodes}) > 1:
        return model
    first = nodes[0].operation
    if first.input_shape != model.input_shape:  # it stands on a shared trunk
        first = keras.Model(model.inputs, nodes[0].output_tensors[0])
    return _of_one_view(first)


def _explain_by_layer(model: keras.Model, layer: keras.Layer) -> Explanation:
    maps, num_labels = layer.output.shape[-1], model.output_shape[-1]
    if maps != num_labels:
        raise NoMapsError(
            f"{layer.name!r} of {model.name!r} must return one map per label; it "
            f"returns {maps} for {num_labels} labels."
        )
    probe = keras.Model(model.inputs, layer.output)
    return Explanation(
        lambda images: tf.cast(probe(images, training=False), "float32"),
        model.inputs,
        [layer.output],
    )


def _explain_by_attention(
    model: keras.Model, layers: Sequence[keras.Layer]
) -> Explanation:
    num_labels = model.output_shape[-1]
    for layer in layers:
        embeddings = layer.output.shape[1]
        if embeddings < num_labels:
            raise NoMapsError(
                f"{layer.name!r} of {model.name!r} must attend to one embedding per "
                f"label; it has {embeddings} for {num_labels} labels."
            )
    inputs = {layer.name: keras.tree.flatten(layer.input) for layer in layers}
    probe = keras.Model(model.inputs, inputs)

    def compute(images: tf.Tensor) -> tf.Tensor:
        found = probe(images, training=False)
        maps = [
            getattr(layer, ATTENTION)(*found[layer.name])[..., :num_labels]
            for layer in layers
        ]
        finest = max((tuple(each.shape[1:3]) for each in maps), key=np.prod)
        # Each map sums to 1 over its regions; so does a map resized to more of them.
        resized = [
            tf.image.resize(each, finest) * (np.prod(each.shape[1:3]) / np.prod(finest))
            for each in maps
        ]
        return tf.add_n(resized) / len(resized)

    return Explanation(compute, model.inputs, [own[0] for own in inputs.values()])


def _split_at_pool(
    model: keras.Model, inside: bool = False
) -> tuple[keras.Model, keras.Model] | None:
    """Splits a model into the part before the global pooling and the rest."""
    for layer in reversed(model.layers):
        if layer.name == POOL or (inside and isinstance(layer, _GLOBAL_POOLS)):
            # Logits can depend on pools of other depths too, named pool_2 and so on,
            # and on those of a second head, named b_pool.
            pools = [x for x in model.layers if isinstance(x, _GLOBAL_POOLS)]
            pools = [
                layer,
                *(x for x in pools if x.name.startswith(f"{POOL}_")),
                *(x for x in model.layers if _OF_OTHER_HEAD.fullmatch(x.name)),
            ]
            maps = list({id(x.input): x.input for x in pools}.values())
            try:
                classify = keras.Model(maps, model.outputs[0])
            except ValueError:  # logits depend on other views of the images too
                maps += model.inputs
                classify = keras.Model(maps, model.outputs[0])
            return keras.Model(model.inputs, maps), classify
    for layer in model.layers:
        parts = _split_at_pool(layer, True) if isinstance(layer, keras.Model) else None
        if parts is None:
            continue
        extract, classify = parts
        node, *others = [x for x in graph_nodes(model) if x.operation is layer]
        if others:
            raise NoMapsError(
                f"{layer.name!r} of {model.name!r}, which pools its feature map, must "
                f"be called once; it is called {1 + len(others)} times."
            )
        before = keras.Model(model.inputs, node.input_tensors)
        features = [keras.Input(maps.shape[1:]) for maps in extract.outputs]
        logits = classify(features)
        if node.output_tensors[0] is not model.outputs[0]:
            logits = keras.Model(node.output_tensors, model.outputs[0])(logits)
        return (
            keras.Model(model.inputs, extract(before(model.inputs))),
            keras.Model(features, logits),
        )
    return None


def _explain_by_gradients(
    extract: keras.Model,
    classify: keras.Model,
    score: Callable[[tf.Tensor], tf.Tensor] | None,
) -> Explanation:
    def compute(images: tf.Tensor) -> tf.Tensor:
        features, *others = keras.tree.flatten(extract(images, training=False))
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(features)
            outputs = classify([features, *others], training=False)
            scores = outputs if score is None else score(outputs)
            columns = tf.unstack(scores, axis=-1)
        gradients = [tape.gradient(column, features) for column in columns]
        weights = tf.stack([tf.reduce_sum(g, axis=(1, 2)) for g in gradients], axis=-1)
        return tf.einsum(
            "bhwc,bcl->bhwl", tf.cast(features, "float32"), tf.cast(weights, "float32")
        )

    return Explanation(compute, extract.inputs, extract.outputs[:1])
