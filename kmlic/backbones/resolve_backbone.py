"""A backbone given by name or as a model."""

import pathlib
import warnings

import keras

from kmlic.backbones.build_backbone import build_backbone
from kmlic.backbones.keras_hub import build_keras_hub, is_keras_hub
from kmlic.check_limits import ImageSize, check_arguments
from kmlic.layers.keras_internals import graph_nodes

_NORMALISERS = (keras.layers.Normalization, keras.layers.BatchNormalization)


def resolve_backbone(
    backbone: str | keras.Model,
    *,
    image_size: ImageSize | None = None,
    channels: int = 3,
    weights: str | pathlib.Path | None = None,
) -> keras.Model:
    """Returns a backbone, from images to feature maps, by name or as given.

    A keras.Model is checked and returned unchanged, unless it is a backbone of
    keras-hub. It may have a single feature map or a dictionary of them;
    `keras.tree.flatten` makes a list of any. A model whose first layer has weights,
    such as a convolution, is warned about: it does not normalise pixels 0-255.

    Args:
        backbone: a name for `build_backbone`, or a keras.Model whose outputs are
            feature maps (B, H, W, C), finest first, or a backbone of keras-hub, which
            `build_keras_hub` then wraps without normalisation.
        image_size: side of the images in pixels; None for any.
        channels: of the images.
        weights: for a named backbone: "imagenet", a path, or None.

    Raises:
        ValueError: if a keras.Model comes with `weights`, takes other images, or does
            not return feature maps, finest first.

    Example:
        >>> backbone = resolve_backbone("small_resnet", image_size=64)
        >>> feature_maps = keras.tree.flatten(backbone(keras.ops.zeros((1, 64, 64, 3))))
        >>> [tuple(feature_map.shape[1:]) for feature_map in feature_maps]
        [(16, 16, 32), (8, 8, 64), (4, 4, 128), (2, 2, 256)]
    """
    check_arguments(resolve_backbone, locals())
    if isinstance(backbone, str):
        return build_backbone(
            backbone, image_size=image_size, channels=channels, weights=weights
        )
    if not isinstance(backbone, keras.Model):
        raise ValueError(
            "`backbone` must be a name for `build_backbone` or a keras.Model; got "
            f"backbone={backbone!r}."
        )
    if weights is not None:
        raise ValueError(
            "`weights` must be None with a keras.Model, which has its own; got "
            f"weights={weights!r} and backbone={backbone.name!r}."
        )
    from_hub = is_keras_hub(backbone)
    if from_hub:
        backbone = build_keras_hub(backbone, image_size=image_size)
    if from_hub or _starts_with_weights(backbone):
        _warn_of_raw_pixels(backbone)
    shape = backbone.input_shape
    if len(shape) != 4 or shape[-1] not in (None, channels):
        raise ValueError(
            f"`backbone` must take images (B, H, W, {channels}); got "
            f"backbone={backbone.name!r} with input shape {shape}."
        )
    if any(side not in (None, image_size) for side in shape[1:3]) and image_size:
        raise ValueError(
            f"`image_size` must be that of the backbone; got image_size={image_size}"
            f" and backbone={backbone.name!r} with input shape {shape}."
        )
    shapes = [tuple(feature_map.shape) for feature_map in backbone.outputs]
    sides = [side for side in (shape[1] for shape in shapes if len(shape) == 4) if side]
    if any(len(shape) != 4 for shape in shapes) or sides != sorted(sides, reverse=True):
        raise ValueError(
            "`backbone` must return feature maps (B, H, W, C), finest first; got "
            f"backbone={backbone.name!r} with output shapes {shapes}."
        )
    return backbone


def _warn_of_raw_pixels(backbone: keras.Model) -> None:
    warnings.warn(
        f"{backbone.name!r} does not normalise: its first layer gets pixels 0-255. If "
        "it was trained on others, put keras.layers.Rescaling or Normalization before "
        "it; for keras-hub, use `build_keras_hub(backbone, scale=, offset=)` or the "
        "name of a preset.",
        stacklevel=3,
    )


def _starts_with_weights(backbone: keras.Model) -> bool:
    if backbone.input_shape[-1] not in (None, 3):
        return False  # of feature maps
    first = _first_layer(backbone)
    return bool(first and first.weights) and not isinstance(first, _NORMALISERS)


def _first_layer(model: keras.Operation) -> keras.Layer | None:
    """Returns the first layer of a functional model that does more than pad."""
    if not isinstance(model, keras.Model):
        return model if isinstance(model, keras.Layer) else None
    if not hasattr(model, "operations"):
        return None  # a model of another kind has no graph
    for node in graph_nodes(model):
        layer = node.operation
        if not node.is_input and not isinstance(layer, keras.layers.ZeroPadding2D):
            return _first_layer(layer)
    return None
