"""Splitting of a backbone into a lower and an upper part."""

import keras

from kmlic.layers.keras_internals import graph_nodes


def split_backbone(backbone: keras.Model, at: str) -> tuple[keras.Model, keras.Model]:
    """Splits a backbone after one of its layers into two models.

    Both parts share their layers with the backbone. Activations of the lower part can
    be cached on disk while only the upper part is trained.

    Shapes: lower: images (B, H, W, C) to activations; upper: activations to those of
    the backbone's feature maps that lie above, finest first.

    Args:
        backbone: from `build_backbone`, or any functional model of feature maps.
        at: name of the lower part's last layer, such as "block_12_add" of mobilenet_v2;
            it may be in a model inside the backbone.

    Raises:
        ValueError: if there is no such layer, no feature map is above it, or a
            connection bypasses it.

    Example:
        >>> from kmlic.backbones import build_backbone
        >>> backbone = build_backbone("small_resnet", image_size=64)
        >>> lower, upper = split_backbone(backbone, "layer2.0.act3")
        >>> lower.output_shape, [shape[1:] for shape in upper.output_shape]
        ((None, 8, 8, 64), [(4, 4, 128), (2, 2, 256)])
    """
    inner, before, outputs = _find(backbone, at)
    # Not `layer.output`, which may be of another model that the layer is part of too.
    (cut,) = [
        tensor
        for node in graph_nodes(inner)
        if node.operation is inner.get_layer(at)
        for tensor in node.output_tensors
    ]
    paths = _paths(inner, cut)
    above = [x for x in outputs if paths[id(x)] == {True} and x is not cut]
    around = any(len(paths[id(x)]) == 2 for x in outputs)
    if around or not above:
        raise ValueError(
            "`at` must be a layer below some feature map, which every connection to "
            f"that goes through; got at={at!r} in {backbone.name!r}, "
            + ("which a connection bypasses." if around else "with no map above it.")
        )
    upper = keras.Model(cut, above, name="upper")
    lower = keras.Model(inner.input, cut, name="lower")
    if before is not None:
        images = keras.Input(backbone.input_shape[1:], name="images")
        lower = keras.Model(images, lower(before(images)), name="lower")
    return lower, upper


def _find(
    backbone: keras.Model, at: str
) -> tuple[keras.Model, keras.Model | None, list[keras.KerasTensor]]:
    """Returns the model with the layer, what comes before it, and its feature maps."""
    if at in {layer.name for layer in backbone.layers}:
        return backbone, None, backbone.outputs
    for layer in backbone.layers:
        if isinstance(layer, keras.Model) and at in {x.name for x in layer.layers}:
            (node,) = [x for x in graph_nodes(backbone) if x.operation is layer]
            (inputs,) = node.input_tensors
            before = keras.Model(backbone.input, inputs, name="before")
            returned = {id(output) for output in backbone.outputs}
            # The backbone may return some of the maps only.
            maps = zip(layer.outputs, node.output_tensors, strict=True)
            return layer, before, [own for own, x in maps if id(x) in returned]
    raise ValueError(
        f"`at` must be a layer of {backbone.name!r}; got at={at!r}. Its last ones are "
        f"{_names(backbone)[-20:]}."
    )


def _names(model: keras.Model) -> list[str]:
    names: list[str] = []
    for layer in model.layers:
        names.extend(_names(layer) if isinstance(layer, keras.Model) else [layer.name])
    return names


def _paths(model: keras.Model, cut: keras.KerasTensor) -> dict[int, set[bool]]:
    """Finds for each tensor whether its paths pass through the cut, or do not."""
    found: dict[int, set[bool]] = {}
    for node in graph_nodes(model):
        own = set().union(*(found[id(tensor)] for tensor in node.input_tensors))
        for tensor in node.output_tensors:
            found[id(tensor)] = {True} if tensor is cut else own or {False}
    return found
