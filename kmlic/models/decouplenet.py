"""DecoupleNet: one map per label, weighted by attention over labels."""

import pathlib
from typing import Literal

import keras
from keras import layers

from kmlic.backbones import resolve_backbone
from kmlic.check_choice import check_choice
from kmlic.check_limits import Count, Dropout, ImageSize, check_arguments
from kmlic.layers import CategoryAttention, CategorySpaceToDepth, WildcatPooling
from kmlic.models._names import ACTIVATION_MAPS, LOGITS


def build_decouplenet(
    num_labels: Count,
    *,
    backbone: str | keras.Model = "resnet101",
    attention: Literal["arch1", "arch2", "both"] | None = "arch1",
    upsampling: Literal["transposed", "bilinear"] | None = "transposed",
    stride: Literal[1, 2] = 1,
    maps_per_label: Count = 8,
    image_size: ImageSize = 448,
    weights: str | pathlib.Path | None = None,
    attention_maps: Literal["avg", "max", "all"] = "avg",
    max_gradient: Literal["exact", "broadcast"] = "exact",
    kmax: float = 0.2,
    kmin: float | None = None,
    alpha: float = 0.7,
    halve: bool = True,
    dropout: Dropout = 0.0,
    name: str = "decouplenet",
) -> keras.Model:
    """Builds DecoupleNet, which scores labels by their maps and label attention.

    Each label has several maps, whose maximum is Z. Attention learns one weight a per
    label from its relevance to the others; X = Z + a * Z, and the highest and lowest
    values of X make the label's logit.

    Paper: Liu, Guo, Huang and Scott, "Decoupling Category-wise Independence and
    Relevance with Self-Attention for Multi-label Image Classification", ICASSP 2019,
    https://doi.org/10.1109/ICASSP.2019.8683763. Sizes that the paper leaves open are
    those of public development code: `CategorySpaceToDepth` and `CategoryAttention` say
    where they differ from it. Differs from the paper: its "arch1+arch2" averages the
    probabilities of two models, "both" has both attentions in one, X = Z + (a1 + a2) *
    Z.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L). The layer
    "activation_maps" gives X (B, H, W, L).

    Args:
        num_labels: number of labels L.
        backbone: a name for `build_backbone`, or a keras.Model whose outputs are
            feature maps, finest first; the last one is used.
        attention: what the label weights are computed from: "arch1", the labels' maps;
            "arch2", the backbone's features; "both"; or None for no weights.
        upsampling: of `CategorySpaceToDepth`; with None each label's maps are a 1x1
            convolution of the features.
        stride: of `CategorySpaceToDepth`; 2 is another reading of the text.
        maps_per_label: maps M of each label.
        image_size: side of the images in pixels.
        weights: for a named backbone: "imagenet", a path, or None.
        attention_maps: what "arch1" takes of each label's maps: their "avg", as the
            code, their "max" Z, or "all" of them, another reading of the text.
        max_gradient: of `CategorySpaceToDepth`; "broadcast" is that of the code.
        kmax: of `WildcatPooling`.
        kmin: of `WildcatPooling`.
        alpha: of `WildcatPooling`.
        halve: of `WildcatPooling`; False is the paper's equation 3.
        dropout: share of the backbone's channels dropped in training, 0 to 1.
        name: name of the model.

    Raises:
        ValueError: if a number is out of its range or a choice unknown.

    Example:
        >>> model = build_decouplenet(5, backbone="small_resnet", image_size=64)
        >>> model.get_layer("activation_maps").output.shape, model.output_shape
        ((None, 2, 2, 5), (None, 5))
    """
    check_arguments(build_decouplenet, locals())
    check_choice("attention", attention, "arch1", "arch2", "both", None)
    check_choice("attention_maps", attention_maps, "avg", "max", "all")
    extractor = resolve_backbone(backbone, image_size=image_size, weights=weights)
    images = keras.Input((image_size, image_size, 3), name="images")
    features = keras.tree.flatten(extractor(images))[-1]
    if dropout:
        features = layers.SpatialDropout2D(dropout, name="dropout")(features)

    # The head is in float32: a label's score is one value of one map.
    largest, maps = CategorySpaceToDepth(
        num_labels,
        maps_per_label,
        upsampling=upsampling,
        stride=stride,
        max_gradient=max_gradient,
        return_maps=True,
        dtype="float32",
        name="space_to_depth",
    )(features)
    gates = []
    if attention in ("arch1", "both"):
        gates.append(
            CategoryAttention(
                num_labels,
                pool_maps=None if attention_maps == "all" else attention_maps,
                dtype="float32",
                name="arch1",
            )(maps)
        )
    if attention in ("arch2", "both"):
        gates.append(
            CategoryAttention(num_labels, dtype="float32", name="arch2")(features)
        )
    coupled = largest  # (B, H, W, L)
    for gate in gates:
        coupled = coupled + gate * largest
    coupled = layers.Identity(dtype="float32", name=ACTIVATION_MAPS)(coupled)
    pool = WildcatPooling(kmax, kmin, alpha, halve, dtype="float32", name=LOGITS)
    return keras.Model(images, pool(coupled), name=name)
