"""Backbones of keras-hub, by preset or as a model."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from kmlic.backbones._build_network import rescale
from kmlic.backbones.load_preset import load_preset
from kmlic.check_choice import check_choice

_MAPS = 4  # that a backbone returns, as those of kmlic do
_PYRAMIDS = ("ResNet", "EfficientNet", "DenseNet", "CSPNet", "MiT", "HGNetV2")
_TOKENS = ("ViT", "DINOV2", "DINOV3", "SigLIP", "CLIP")

Channels = float | Sequence[float] | None


def build_keras_hub(
    backbone: str | keras.Model,
    *,
    image_size: int | None = None,
    scale: Channels = None,
    offset: Channels = None,
) -> keras.Model:
    """Builds a backbone of keras-hub that takes pixels 0-255, with four feature maps.

    The normalisation of the preset is a layer of the model. ResNet, EfficientNet,
    DenseNet, CSPNet, MiT and HGNetV2 return the last four levels of their pyramid.
    Vision transformers (ViT, DINOv2, DINOv3 and the image encoders of SigLIP, SigLIP 2
    and CLIP) return the patches after each quarter of their blocks, with the final
    normalisation, as maps of one size; tokens for the class and registers are left out.

    Shapes: images (B, H, W, 3) of pixels 0-255 to feature maps (B, h, w, C), finest
    first; h = H / patch size for vision transformers.

    Args:
        backbone: `keras_hub:` and the name of a preset or its folder, `hf://` and a
            repository, or a backbone of keras-hub.
        image_size: side of the images in pixels; None for that of the preset, or any
            where it has none. ViT, SigLIP and CLIP have position embeddings for one
            size only.
        scale: factor of the pixels, one or one per channel; None for the preset's.
        offset: added after that, likewise.

    Raises:
        ConnectionError: if the preset cannot be downloaded.
        ImportError: if keras-hub is not installed.
        ValueError: if there is no such preset, it is of another family or says nothing
            of normalisation, or the size does not fit.

    Example:
        >>> import keras_hub
        >>> tiny = keras_hub.models.ViTBackbone((32, 32, 3), 8, 4, 2, 16, 32)
        >>> model = build_keras_hub(tiny, scale=1 / 127.5, offset=-1.0)
        >>> [shape[1:] for shape in model.output_shape]
        [(4, 4, 16), (4, 4, 16), (4, 4, 16), (4, 4, 16)]
    """
    if isinstance(backbone, str):
        backbone, scale, offset = _load_preset(backbone, scale, offset)
    backbone = getattr(backbone, "vision_encoder", backbone)
    family = _family(backbone)
    check_choice("the family of `backbone`", family, *_PYRAMIDS, *_TOKENS)
    backbone = _resize(backbone, family, image_size)
    side = _check_sides(backbone, family, image_size)
    inner = _pyramid(backbone) if family in _PYRAMIDS else _token_maps(backbone, family)
    images = keras.Input((*side, 3), name="images")
    x = images
    if scale is not None or offset is not None:
        scale, offset = 1.0 if scale is None else scale, offset or 0.0
        x = rescale(images, *(_per_channel(each) for each in (scale, offset)))
    return keras.Model(images, inner(x), name=backbone.name)


def is_keras_hub(model: keras.Model) -> bool:
    """Returns whether a model is a backbone of keras-hub itself, not a part of one."""
    return type(model).__module__.startswith("keras_hub.")


def _load_preset(
    name: str, scale: Channels, offset: Channels
) -> tuple[keras.Model, Channels, Channels]:
    model, converter = load_preset(name, _load_parts, argument="backbone")
    if scale is None and offset is None:
        if converter is None:
            raise ValueError(
                f"`backbone` must be a preset that says how pixels are normalised; got "
                f"{name}. Load it and call `build_keras_hub(model, scale=, offset=)`."
            )
        scale, offset = converter.scale, converter.offset
    return model, scale, offset


def _load_parts(keras_hub: Any, preset: str) -> tuple[keras.Model, Any]:
    model = keras_hub.models.Backbone.from_preset(preset)
    try:
        return model, keras_hub.layers.ImageConverter.from_preset(preset)
    except (ValueError, FileNotFoundError):
        return model, None


def _family(backbone: keras.Model) -> str:
    name = type(backbone).__name__
    for ending in ("Backbone", "VisionEncoder"):
        name = name.removesuffix(ending)
    return name


def _per_channel(values: float | Sequence[float]) -> list[float]:
    return list(values) if isinstance(values, Sequence) else [values] * 3


def _sides(backbone: keras.Model) -> tuple[Any, Any]:  # None for any
    (images,) = keras.tree.flatten(backbone.input)
    return tuple(images.shape[1:3])


def _resize(backbone: keras.Model, family: str, image_size: int | None) -> keras.Model:
    """Returns the backbone for images of another size, with the same weights."""
    if image_size is None or _sides(backbone) == (image_size, image_size):
        return backbone
    if family in ("ViT", "SigLIP", "CLIP"):
        height, width = _sides(backbone)
        raise ValueError(
            f"`image_size` must be that of the position embeddings of {backbone.name!r}"
            f", {height} x {width}; got image_size={image_size}. DINOv2, DINOv3 and "
            "convolutional networks take other sizes."
        )
    if _sides(backbone) == (None, None) and family in _PYRAMIDS and family != "MiT":
        return backbone
    _check_patches(backbone, family, (image_size, image_size))
    config = backbone.get_config()
    key = "image_shape" if "image_shape" in config else "input_shape"
    copy = type(backbone).from_config({**config, key: (image_size, image_size, 3)})
    for source, target in zip(backbone.weights, copy.weights, strict=True):
        if source.shape == target.shape:
            target.assign(source)
    if family == "DINOV2":  # its position embeddings are interpolated in loading
        store: dict[str, Any] = {}
        backbone.embeddings.save_own_variables(store)
        copy.embeddings.load_own_variables(store)
    return copy


def _check_sides(
    backbone: keras.Model, family: str, image_size: int | None
) -> tuple[int | None, int | None]:
    sides = (image_size, image_size) if image_size else _sides(backbone)
    if None in sides and (family in _TOKENS or family == "MiT"):
        raise ValueError(f"`image_size` must be given for {backbone.name!r}; got None.")
    _check_patches(backbone, family, sides)
    return sides


def _check_patches(
    backbone: keras.Model, family: str, sides: tuple[int | None, int | None]
) -> None:
    """Raises an error if sides are no multiples of the patches, which would be cut."""
    for side, size in zip(sides, _patch_size(backbone, family), strict=True):
        if side and side % size:
            lower = max(side // size, 1) * size
            raise ValueError(
                f"`image_size` must be a multiple of {size}, the patch size of "
                f"{backbone.name!r}; got {side}. Take {lower} or {lower + size}."
            )


def _patch_size(backbone: keras.Model, family: str) -> tuple[int, int]:
    if family == "MiT":
        size = 1
        for stride in backbone.layerwise_strides:
            size *= stride
        return size, size
    if family in _PYRAMIDS:
        return 1, 1
    size = backbone.patch_size
    return (size, size) if isinstance(size, int) else tuple(size)


def _pyramid(backbone: keras.Model) -> keras.Model:
    if isinstance(backbone.output, dict):
        named = backbone.output
        levels = [feature_map for name, feature_map in named.items() if name != "stem"]
    else:  # ends in an activation that the last level of the pyramid may lack
        levels = [*list(backbone.pyramid_outputs.values())[:-1], backbone.output]
    return keras.Model(backbone.input, levels[-_MAPS:], name="pyramid")


@dataclasses.dataclass(frozen=True)
class _Transformer:
    """Describes where the parts of a vision transformer are."""

    embed: Sequence[layers.Layer]
    blocks: Sequence[layers.Layer]
    norm: layers.Layer
    prefix: int  # tokens before those of the patches


def _find_parts(backbone: keras.Model, family: str) -> _Transformer:
    if family == "ViT":
        embedding, encoder = backbone.layers[1:]
        embed = [_ViTPart(embedding, name=embedding.name), encoder.dropout]
        blocks = [_ViTPart(block, name=block.name) for block in encoder.encoder_layers]
        prefix = int(backbone.use_class_token)
        return _Transformer(embed, blocks, encoder.layer_norm, prefix)
    if family == "SigLIP":
        norm = backbone.post_layer_norm
        return _Transformer([backbone.embedding], backbone.encoder_layers, norm, 0)
    if family == "CLIP":
        embed = [backbone.embedding, backbone.pre_layer_norm]
        return _Transformer(embed, backbone.encoder_layers, backbone.layer_norm, 1)
    prefix = 1 + backbone.num_register_tokens
    blocks = backbone.encoder.layers
    if backbone.use_mask_token:  # of their training, where patches are hidden
        backbone.embeddings.mask_token.trainable = False
    return _Transformer([backbone.embeddings], blocks, backbone.layernorm, prefix)


def _token_maps(backbone: keras.Model, family: str) -> keras.Model:
    parts = _find_parts(backbone, family)
    sides = _sides(backbone)
    patches = zip(sides, _patch_size(backbone, family), strict=True)
    grid = [side // patch for side, patch in patches]
    images = keras.Input((*sides, 3), name="pixels")
    x = images
    for layer in parts.embed:
        x = layer(x)
    if family == "SigLIP":  # whose symbolic shape counts a token that it does not have
        x = x[:, : grid[0] * grid[1]]
    depth = len(parts.blocks)
    ends = [max(1, depth * quarter // _MAPS) for quarter in range(1, _MAPS + 1)]
    positions = None
    if family == "DINOV3":
        positions = _Positions(backbone.rope_embedding, sides, name="positions")
    maps = []
    for number, block in enumerate(parts.blocks, start=1):
        options: dict[str, Any] = {}
        if positions is not None:
            options = {
                "position_embeddings": positions(x),
                "num_prefix_tokens": parts.prefix,
            }
        x = block(x, **options)
        for _ in range(ends.count(number)):  # with fewer than four blocks, several
            patches = parts.norm(x)[:, parts.prefix :]
            maps.append(ops.reshape(patches, (-1, *grid, x.shape[-1])))
    return keras.Model(images, maps, name="patches")


@keras.saving.register_keras_serializable(package="kmlic")
class _ViTPart(layers.Layer):
    """Calls a layer of ViT, of which keras-hub 0.32 saves what it cannot load."""

    def __init__(self, layer: layers.Layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build(input_shape)

    def call(self, inputs):
        return self.layer(inputs)

    def compute_output_spec(self, inputs):
        return self.layer.compute_output_spec(inputs)

    def get_config(self):
        layer = keras.saving.serialize_keras_object(self.layer)
        for derived in ("key_dim", "num_patches", "num_positions"):
            layer["config"].pop(derived, None)
        if hasattr(self.layer, "use_patch_bias"):  # which the config lacks
            layer["config"]["use_patch_bias"] = self.layer.use_patch_bias
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config):
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})


@keras.saving.register_keras_serializable(package="kmlic")
class _Positions(layers.Layer):
    """Returns DINOv3's rotary embeddings, which follow the sides of the images alone.

    They are computed once. Every block calls the layer with its own tokens, so that a
    backbone can be split between any two blocks.
    """

    def __init__(self, rope: layers.Layer, sides: tuple[int, int], **kwargs):
        super().__init__(**kwargs)
        self.rope, self.sides = rope, tuple(sides)
        positions = rope(ops.zeros((1, *self.sides, 3)))
        self._positions = tuple(ops.convert_to_numpy(each) for each in positions)

    def call(self, tokens):
        return tuple(ops.cast(each, tokens.dtype) for each in self._positions)

    def compute_output_spec(self, tokens):
        return tuple(
            keras.KerasTensor(each.shape, tokens.dtype) for each in self._positions
        )

    def get_config(self):
        rope = keras.saving.serialize_keras_object(self.rope)
        return {**super().get_config(), "rope": rope, "sides": self.sides}

    @classmethod
    def from_config(cls, config):
        rope = keras.saving.deserialize_keras_object(config["rope"])
        return cls(**{**config, "rope": rope})
