"""The part of a model that is trained on cached features."""

import keras

from kmlic.backbones import split_backbone
from kmlic.layers.keras_internals import graph_nodes


def part_above_backbone(
    model: keras.Model, backbone: keras.Model, at: str | None = None
) -> keras.Model:
    """Cuts a model off above its backbone, from feature maps to the model's output.

    Both share their layers, so that training the part trains the model.

    Args:
        model: whose other layers depend on the images through the backbone only.
        backbone: one of the model's layers.
        at: layer of the backbone whose output the part takes, see `split_backbone`; the
            layers above it stay a model, named "upper". None takes the feature maps.

    Raises:
        ValueError: if the backbone is no layer of the model, or has no such layer.

    Example:
        >>> from kmlic.backbones import build_backbone
        >>> from kmlic.models import build_classifier
        >>> backbone = build_backbone("small_resnet", image_size=64)
        >>> model = build_classifier(5, backbone=backbone, image_size=64)
        >>> part = part_above_backbone(model, backbone)
        >>> part.input_shape[-1], part.output_shape
        ((None, 2, 2, 256), (None, 5))
    """
    for node in graph_nodes(model):
        if node.operation is backbone:
            # Not the backbone's own outputs, which belong to another graph.
            inputs = node.output_tensors
            one = inputs[0] if len(inputs) == 1 else inputs
            part = keras.Model(one, model.output, name=model.name)
            if at is None:
                return part
            _, upper = split_backbone(backbone, at)
            activations = keras.Input(upper.input_shape[1:])
            maps = keras.tree.flatten(upper(activations))
            # Not `part(...)`, which would make it one more model inside.
            logits = part.call(maps if len(maps) > 1 else maps[0])
            return keras.Model(activations, logits, name=model.name)
    raise ValueError(
        f"`backbone` must be a layer of {model.name!r}; got {backbone.name!r}."
    )
