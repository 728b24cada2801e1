"""Query2Label on a backbone."""

import pathlib

import keras

from kmlic.backbones import resolve_backbone
from kmlic.check_limits import Count, CountOrZero, Dropout, ImageSize, check_arguments
from kmlic.layers import Query2Label
from kmlic.models._names import LOGITS


def build_query2label(
    num_labels: Count,
    *,
    backbone: str | keras.Model = "resnet101",
    num_encoders: CountOrZero = 1,
    num_decoders: Count = 2,
    embedding_size: Count | None = None,
    num_heads: Count = 4,
    hidden_units: Count = 8192,
    dropout: Dropout = 0.1,
    image_size: ImageSize = 448,
    weights: str | pathlib.Path | None = None,
    name: str = "query2label",
) -> keras.Model:
    """Builds a backbone with Query2Label, one learned query per label.

    Paper: Liu et al., "Query2Label: A Simple Transformer Way to Multi-Label
    Classification", 2021, https://arxiv.org/abs/2107.10834. `Query2Label` says what it
    computes; the defaults are those of the authors' ResNet-101 at 448 pixels.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L).

    Args:
        num_labels: number of labels L.
        backbone: a name for `build_backbone`, or a keras.Model whose outputs are
            feature maps, finest first; the last one is used.
        num_encoders: of `Query2Label`.
        num_decoders: of `Query2Label`.
        embedding_size: of `Query2Label`.
        num_heads: of `Query2Label`.
        hidden_units: of `Query2Label`.
        dropout: of `Query2Label`.
        image_size: side of the images in pixels.
        weights: for a named backbone: "imagenet", a path, or None.
        name: name of the model.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> model = build_query2label(
        ...     5, backbone="small_resnet", hidden_units=64, image_size=64
        ... )
        >>> model.output_shape
        (None, 5)
    """
    check_arguments(build_query2label, locals())
    extractor = resolve_backbone(backbone, image_size=image_size, weights=weights)
    images = keras.Input((image_size, image_size, 3), name="images")
    features = keras.tree.flatten(extractor(images))[-1]
    # The head stays in float32: softmax over hundreds of regions needs it.
    logits = Query2Label(
        num_labels,
        num_encoders=num_encoders,
        num_decoders=num_decoders,
        embedding_size=embedding_size,
        num_heads=num_heads,
        hidden_units=hidden_units,
        dropout=dropout,
        dtype="float32",
        name=LOGITS,
    )(features)
    return keras.Model(images, logits, name=name)
