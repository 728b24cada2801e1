"""Classifier of attributes: one head per group of exclusive labels."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Literal

import keras
from keras import layers

from kmlic.backbones import build_backbone, resolve_backbone
from kmlic.check_choice import check_choice
from kmlic.check_limits import Count, Dropout, ImageSize, check_arguments
from kmlic.check_number import check_number
from kmlic.layers import GroupAttentionPooling, GroupUncertainty
from kmlic.models._names import LOGITS, POOL


def build_attribute_classifier(
    groups: Mapping[str, Sequence[str]],
    *,
    backbone: str | keras.Model = "seresnet50",
    hidden_units: Sequence[Count] = (),
    image_size: ImageSize | None = 224,
    weights: str | pathlib.Path | None = None,
    feature: Literal["output", "pooled"] = "output",
    pooling: Literal["avg", "avg+max", "attention"] = "avg",
    maps: Count = 1,
    dropout: Dropout = 0.0,
    joined: bool = True,
    learned_weights: bool = False,
    name: str = "attribute_classifier",
) -> keras.Model:
    """Builds a classifier of images into one label of each group.

    Paper: Li, "DeepFashion Attribute Prediction Challenge Report", section 2.2: all
    heads share the backbone's output layer of 1000 classes. Differs from the report:
    the sizes of its fully connected layers, which it does not state, are an argument;
    `feature="pooled"` omits the output layer.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L), group after
    group; if not `joined`, to a dictionary of logits (B, K) by group.

    Args:
        groups: group name to the names of its labels, at least two each, in the order
            of the logits.
        backbone: a name for `build_backbone`, or a keras.Model with feature maps,
            finest first, or, for feature="output", with one feature (B, D).
        hidden_units: units of each fully connected layer before the heads. The report
            tries 0, 2 and 4 layers.
        image_size: side of the images in pixels; None for that of a keras.Model.
        weights: for a named backbone: "imagenet", a path, or None. For feature="output"
            they must include the output layer.
        feature: "output", the backbone's 1000 logits; "pooled", its feature maps pooled
            over all regions.
        pooling: for feature="pooled": "avg"; "avg+max", both side by side; "attention",
            `GroupAttentionPooling` of the deepest map and the average of the others.
        maps: for feature="pooled": how many of the backbone's maps, the deepest, are
            pooled and concatenated.
        dropout: share of features dropped before each fully connected layer and the
            heads, 0 to 1.
        joined: whether the logits of all groups are one output, as losses, metrics and
            exports expect.
        learned_weights: whether a `GroupUncertainty` named "uncertainty" follows the
            joined logits, for a loss with learned weights.
        name: name of the model.

    Raises:
        ValueError: if a group has fewer than two labels, a label repeats, a choice is
            unknown, or the backbone does not fit.

    Example:
        >>> groups = {"sleeve": ("long", "short", "none"), "fit": ("tight", "loose")}
        >>> model = build_attribute_classifier(
        ...     groups, backbone="small_resnet", feature="pooled", image_size=64
        ... )
        >>> model.output_shape
        (None, 5)
    """
    check_arguments(build_attribute_classifier, locals())
    _check_groups(groups)
    check_choice("feature", feature, "output", "pooled")
    check_choice("pooling", pooling, "avg", "avg+max", "attention")
    if learned_weights and not joined:
        raise ValueError("`learned_weights` requires joined logits.")
    shape = (image_size, image_size, 3)
    if image_size is None and isinstance(backbone, keras.Model):
        shape = backbone.input_shape[1:]
    images = keras.Input(shape, name="images")
    if feature == "output":
        x = _resolve_output(backbone, image_size, weights)(images)
    else:
        extractor = resolve_backbone(
            backbone, image_size=shape[0], channels=shape[-1], weights=weights
        )
        x = _pool(keras.tree.flatten(extractor(images)), pooling, maps, len(groups))
    for index, units in enumerate(hidden_units, start=1):
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout_{index}")(x)
        x = layers.Dense(units, activation="relu", name=f"hidden_{index}")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    heads = {
        group: layers.Dense(
            len(members), dtype="float32", name=f"head_{group.replace('/', '_')}"
        )(x[:, index] if len(x.shape) == 3 else x)
        for index, (group, members) in enumerate(groups.items())
    }
    if not joined:
        return keras.Model(images, heads, name=name)
    parts = list(heads.values())
    join = layers.Concatenate(dtype="float32", name=LOGITS)
    logits = join(parts) if len(parts) > 1 else parts[0]
    if learned_weights:
        weigh = GroupUncertainty(len(groups), dtype="float32", name="uncertainty")
        logits = weigh(logits)
    return keras.Model(images, logits, name=name)


def _check_groups(groups: Mapping[str, Sequence[str]]) -> None:
    if not groups:
        raise ValueError("`groups` must hold at least one group; got none.")
    for group, members in groups.items():
        if isinstance(members, str) or len(members) < 2:
            raise ValueError(
                f"`groups` must hold at least two labels each; got {members!r} in "
                f"group {group!r}."
            )
    names = [label for members in groups.values() for label in members]
    repeated = sorted({label for label in names if names.count(label) > 1})
    if repeated:
        raise ValueError(f"`groups` must hold each label once; got {repeated} twice.")


def _resolve_output(
    backbone: str | keras.Model,
    image_size: int | None,
    weights: str | pathlib.Path | None,
) -> keras.Model:
    if not isinstance(backbone, keras.Model):
        return build_backbone(
            backbone, image_size=image_size, weights=weights, include_top=True
        )
    shapes = [tuple(output.shape) for output in backbone.outputs]
    if weights is not None or len(shapes) != 1 or len(shapes[0]) != 2:
        raise ValueError(
            "`backbone` must be a name, or a keras.Model of one output (B, D), for "
            f'feature="output", and bring its own weights; got {backbone.name!r} with '
            f'outputs {shapes} and weights={weights!r}. feature="pooled" takes feature '
            "maps."
        )
    return backbone


def _pool(
    feature_maps: Sequence[keras.KerasTensor], pooling: str, maps: int, groups: int
) -> keras.KerasTensor:
    """Returns one feature for all groups (B, D), or one per group (B, G, D)."""
    check_number("maps", maps, at_most=len(feature_maps))
    deepest_first = feature_maps[: -maps - 1 : -1]
    if pooling == "attention":
        attend = GroupAttentionPooling(groups, name="attention_pool")
        own = attend(deepest_first[0])
        if maps == 1:
            return own
        shared = [
            layers.RepeatVector(groups, name=f"shared_{depth}")(
                layers.GlobalAveragePooling2D(name=f"pool_{depth}")(feature_map)
            )
            for depth, feature_map in enumerate(deepest_first[1:], start=2)
        ]
        return layers.Concatenate(name="feature")([own, *shared])
    pooled = []
    for depth, feature_map in enumerate(deepest_first, start=1):
        # `kmlic.explain.activation_maps` finds the deepest pool by this name.
        suffix = f"_{depth}" if depth > 1 else ""
        average = layers.GlobalAveragePooling2D(name=f"{POOL}{suffix}")
        pooled.append(average(feature_map))
        if pooling == "avg+max":
            maximum = layers.GlobalMaxPooling2D(name=f"pool_max{suffix}")
            pooled.append(maximum(feature_map))
    if len(pooled) == 1:
        return pooled[0]
    return layers.Concatenate(name="feature")(pooled)
