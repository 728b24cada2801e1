"""CSRA: a linear classifier with class-specific residual attention."""

import math
import pathlib
from collections.abc import Sequence

import keras
from keras import layers

from kmlic.backbones import resolve_backbone
from kmlic.check_choice import check_choice
from kmlic.check_limits import Count, ImageSize, check_arguments
from kmlic.layers import ClassSpecificResidualAttention
from kmlic.models._names import ACTIVATION_MAPS, LOGITS

# The temperatures of the paper's numbers of heads; the last head takes the maximum.
_TEMPERATURES = {
    1: (1.0,),
    2: (1.0, math.inf),
    4: (1.0, 2.0, 4.0, math.inf),
    6: (1.0, 2.0, 3.0, 4.0, 5.0, math.inf),
    8: (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, math.inf),
}


def build_csra(
    num_labels: Count,
    *,
    backbone: str | keras.Model = "resnet101",
    num_heads: Count = 1,
    temperatures: Sequence[float] | None = None,
    attention_weight: float = 0.1,
    normalise: bool = True,
    use_bias: bool = False,
    image_size: ImageSize = 448,
    weights: str | pathlib.Path | None = None,
    name: str = "csra",
) -> keras.Model:
    """Builds a linear classifier with class-specific residual attention.

    Paper: Zhu and Wu, "Residual Attention: A Simple but Effective Method for
    Multi-Label Recognition", ICCV 2021, https://arxiv.org/abs/2108.02456. With
    ResNet-101 at 448 pixels the paper takes 1 head and lambda 0.1 for VOC, 6 and 0.4
    for COCO. `ClassSpecificResidualAttention` says where it differs from the paper.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L). The layer
    "activation_maps" returns (B, H, W, L), whose mean over the regions is the logits.

    Args:
        num_labels: number of labels L.
        backbone: a name for `build_backbone`, or a keras.Model whose outputs are
            feature maps, finest first; the last one is used.
        num_heads: 1, 2, 4, 6 or 8 heads, with the paper's temperatures.
        temperatures: of each head instead, above 0; `math.inf` for the maximum.
        attention_weight: lambda of the paper, 0 or above.
        normalise: of `ClassSpecificResidualAttention`.
        use_bias: of `ClassSpecificResidualAttention`.
        image_size: side of the images in pixels.
        weights: for a named backbone: "imagenet", a path, or None.
        name: name of the model.

    Raises:
        ValueError: if a number is out of its range, or there are not as many
            `temperatures` as heads.

    Example:
        >>> model = build_csra(
        ...     5, backbone="small_resnet", num_heads=4, image_size=64
        ... )
        >>> model.get_layer("activation_maps").output.shape, model.output_shape
        ((None, 2, 2, 5), (None, 5))
    """
    check_arguments(build_csra, locals())
    if temperatures is None:
        check_choice("num_heads", num_heads, *_TEMPERATURES)
        temperatures = _TEMPERATURES[num_heads]
    elif num_heads not in (1, len(temperatures)):
        raise ValueError(
            f"`temperatures` must be one for each of {num_heads} heads; got "
            f"temperatures={temperatures}."
        )
    extractor = resolve_backbone(backbone, image_size=image_size, weights=weights)
    images = keras.Input((image_size, image_size, 3), name="images")
    features = keras.tree.flatten(extractor(images))[-1]
    maps = ClassSpecificResidualAttention(
        num_labels,
        temperatures=temperatures,
        attention_weight=attention_weight,
        normalise=normalise,
        use_bias=use_bias,
        return_maps=True,
        dtype="float32",
        name=ACTIVATION_MAPS,
    )(features)
    logits = layers.GlobalAveragePooling2D(dtype="float32", name=LOGITS)(maps)
    return keras.Model(images, logits, name=name)
