"""Backbones by name."""

import functools
import pathlib
from typing import Annotated, Any

import keras
import numpy as np

from kmlic.backbones.applications import APPLICATIONS, build_application
from kmlic.backbones.efficientnet_lite import EFFICIENTNET_LITES, EfficientNetLite
from kmlic.backbones.imagenet import download_imagenet_weights
from kmlic.backbones.keras_hub import build_keras_hub
from kmlic.backbones.load_weights import load_weights
from kmlic.backbones.plain_network import PLAIN_NETWORKS, PlainNetwork
from kmlic.backbones.residual_network import ResidualNetwork
from kmlic.backbones.resnest import RESNESTS
from kmlic.backbones.resnet import RESNETS
from kmlic.backbones.seresnet import SERESNETS
from kmlic.check_choice import check_choice
from kmlic.check_limits import Count, ImageSize, Limits, check_arguments
from kmlic.check_number import check_number
from kmlic.packaged_weights import PACKAGES, find_packaged_weights
from kmlic.require_preset import PREFIXES

NETWORKS: dict[str, EfficientNetLite | PlainNetwork | ResidualNetwork] = {
    **EFFICIENTNET_LITES,
    **PLAIN_NETWORKS,
    **RESNETS,
    **SERESNETS,
    **RESNESTS,
}


def build_backbone(
    backbone: str,
    *,
    image_size: ImageSize | None = None,
    channels: Annotated[int, Limits(at_least=3)] = 3,
    weights: str | pathlib.Path | None = None,
    include_top: bool = False,
    num_classes: Count = 1000,
    extra_channels: str = "zeros",
) -> keras.Model:
    """Builds a backbone by its name, from images to feature maps or logits.

    Shapes: images (B, H, W, C) of pixels 0-255 to feature maps at strides 4, 8, 16 and
    32 (2, 4, 8 and 16 for `small_cnn`), finest first; with `include_top` to float32
    logits (B, `num_classes`). Normalisation is part of the model.

    Args:
        backbone: a residual network (`small_resnet` is fast on a laptop), `small_cnn`
            for images of 64 pixels, `efficientnet_lite0`, whose ImageNet weights are
            installed with kmlic, a model of keras.applications in snake case, such as
            `mobilenet_v2`, or a preset of keras-hub with its weights, such as
            `keras_hub:dinov3_vit_small_lvd1689m` or `hf://timm/resnet50.a1_in1k`: see
            `build_keras_hub`.
        image_size: side of the images in pixels; None for any.
        channels: of the images, at least 3. The first three are RGB; the others are
            passed to the first convolution unchanged.
        weights: "imagenet"; the path of a `.weights.h5` file or of a checkpoint of timm
            or torch (`.safetensors`, `.pth`); or None for random weights.
        include_top: whether to end in the classifier instead of feature maps.
        num_classes: logits of that classifier.
        extra_channels: with `weights`, the initial kernels of channels after RGB:
            "zeros", so that the output is the same as without them, or the "mean" of
            the kernels for RGB.

    Raises:
        ValueError: if `backbone` is unknown, images are too small for it, or its
            `weights` do not fit.

    Example:
        >>> backbone = build_backbone("small_resnet", image_size=96)
        >>> [shape[1:] for shape in backbone.output_shape]
        [(24, 24, 32), (12, 12, 64), (6, 6, 128), (3, 3, 256)]
    """
    check_arguments(build_backbone, locals())
    if isinstance(backbone, str) and backbone.startswith(PREFIXES):
        if channels != 3 or weights is not None or include_top:
            raise ValueError(
                f"{backbone} has weights and no classifier: `channels` must be 3, "
                f"`weights` None, `include_top` False; got channels={channels}, "
                f"weights={weights!r} and include_top={include_top}."
            )
        return build_keras_hub(backbone, image_size=image_size)
    check_choice("backbone", backbone, *NETWORKS, *APPLICATIONS)
    check_choice("extra_channels", extra_channels, "zeros", "mean")
    least = _least_side(backbone)
    if image_size is not None:
        check_number("image_size", image_size, at_least=least)
    options: dict[str, Any] = {
        "image_size": image_size,
        "include_top": include_top,
        "num_classes": num_classes,
    }
    if backbone in APPLICATIONS:
        build = functools.partial(build_application, backbone, **options)
        model = build(weights=weights)
    else:
        build = functools.partial(NETWORKS[backbone].build, backbone, **options)
        model = build()
        if weights == "imagenet":
            packaged = backbone in PACKAGES
            find = find_packaged_weights if packaged else download_imagenet_weights
            weights = find(backbone)
        if weights is not None:
            load_weights(model, weights)
    if channels == 3:
        return model
    wider = build(channels=channels)
    if weights is not None:
        _copy_weights(model, wider, extra_channels)
    return wider


def _least_side(backbone):
    """Returns the side of the smallest images that a network takes."""
    if backbone in APPLICATIONS:
        return 71 if backbone == "xception" else 32  # as Keras requires
    network = NETWORKS[backbone]
    # Each stage halves the sides, rounded down.
    return 2 ** len(network.widths) if isinstance(network, PlainNetwork) else 1


def _copy_weights(model, wider, extra_channels):
    for source, target in zip(model.weights, wider.weights, strict=True):
        value = source.numpy()
        if value.shape != tuple(target.shape):  # the stem's kernel (k, k, C, filters)
            extra = target.shape[2] - value.shape[2]
            kernel = (
                np.zeros_like(value[:, :, :1])
                if extra_channels == "zeros"
                else value.mean(axis=2, keepdims=True)
            )
            value = np.concatenate([value, *[kernel] * extra], axis=2)
        target.assign(value)
