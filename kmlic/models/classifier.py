"""A classifier with a backbone and global pooling, the baseline."""

import pathlib

import keras
from keras import layers

from kmlic.backbones import resolve_backbone
from kmlic.check_choice import check_choice
from kmlic.check_limits import Count, Dropout, ImageSize, check_arguments
from kmlic.layers import WildcatPooling
from kmlic.models._names import ACTIVATION_MAPS, LOGITS, POOL


def build_classifier(
    num_labels: Count,
    *,
    backbone: str | keras.Model,
    pooling: str = "avg",
    image_size: ImageSize,
    weights: str | pathlib.Path | None = None,
    kmax: float = 0.2,
    kmin: float | None = None,
    alpha: float = 0.7,
    maps_per_label: Count = 1,
    dropout: Dropout = 0.0,
    name: str = "classifier",
) -> keras.Model:
    """Builds a classifier of images into independent labels.

    With `pooling` "avg" or "max" the last feature map is pooled and classified; with
    "wildcat" it is classified at each position and the maps are pooled.

    Paper: for "avg" and "max" the baselines of Chen et al., "Multi-Label Image
    Recognition with Graph Convolutional Networks", CVPR 2019,
    https://arxiv.org/abs/1904.03582; for "wildcat" see `WildcatPooling`.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L).

    Args:
        num_labels: number of labels L.
        backbone: a name for `build_backbone`, or a keras.Model whose outputs are
            feature maps, finest first; the last one is used.
        pooling: "avg", "max" or "wildcat".
        image_size: side of the images in pixels.
        weights: for a named backbone: "imagenet", a path, or None.
        kmax: of `WildcatPooling`.
        kmin: of `WildcatPooling`.
        alpha: of `WildcatPooling`.
        maps_per_label: with "wildcat", maps per label, whose mean is pooled.
        dropout: share of features dropped before the classifier, 0 to 1.
        name: name of the model.

    Raises:
        ValueError: if a number is below 1 or `pooling` is unknown.

    Example:
        >>> model = build_classifier(
        ...     5, backbone="small_resnet", pooling="max", image_size=64
        ... )
        >>> model.output_shape
        (None, 5)
    """
    check_arguments(build_classifier, locals())
    check_choice("pooling", pooling, "avg", "max", "wildcat")
    extractor = resolve_backbone(backbone, image_size=image_size, weights=weights)
    images = keras.Input((image_size, image_size, 3), name="images")
    x = keras.tree.flatten(extractor(images))[-1]
    if pooling == "avg":
        x = layers.GlobalAveragePooling2D(name=POOL)(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name=POOL)(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    if pooling != "wildcat":
        logits = layers.Dense(num_labels, dtype="float32", name=LOGITS)(x)
        return keras.Model(images, logits, name=name)
    x = layers.Conv2D(
        num_labels * maps_per_label, 1, dtype="float32", name="label_maps"
    )(x)  # (B, H, W, L * M), the maps of a label side by side
    if maps_per_label > 1:
        x = layers.Reshape((*x.shape[1:3], num_labels, maps_per_label), name="maps")(x)
        x = keras.ops.mean(x, axis=-1)  # (B, H, W, L)
    x = layers.Activation("linear", dtype="float32", name=ACTIVATION_MAPS)(x)
    pool = WildcatPooling(kmax, kmin, alpha, dtype="float32", name=LOGITS)
    return keras.Model(images, pool(x), name=name)
