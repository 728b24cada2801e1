"""Semantic-embedded ResNeSt: a classifier guided by activation maps."""

import pathlib
from collections.abc import Sequence
from typing import Literal

import keras
import numpy as np
from keras import layers
from numpy.typing import ArrayLike

from kmlic.backbones import build_backbone, resolve_backbone
from kmlic.check_choice import check_choice
from kmlic.check_limits import Count, ImageSize, NonNegative, check_arguments
from kmlic.layers import JointLogits, SemanticDeconvEmbedder, SemanticResizeEmbedder
from kmlic.layers.keras_internals import flatten_layers
from kmlic.models._names import ACTIVATION_MAPS, LOGITS, POOL
from kmlic.models.joint_model import JointModel

# The last layer of a residual network's stem.
_STEM_END = "maxpool"


def build_cam_generator(
    num_labels: Count,
    *,
    backbone: str | keras.Model = "sge_resnet50",
    feature_map: int = -1,
    image_size: ImageSize = 256,
    weights: str | pathlib.Path | None = None,
    name: str = "cam_generator",
) -> keras.Model:
    """Builds the generator of activation maps for `build_semantic_resnest`.

    A classifier in which a 1x1 convolution, the layer `activation_maps`, computes one
    map per label; the means of the maps are the logits.

    Paper: Shen, Zhao and Luo, "Semantic Embedded Deep Neural Network: A Generic
    Approach to Boost Multi-Label Image Classification Performance", 2023, section III
    and figure 2, https://arxiv.org/abs/2305.05228. The size of its convolution is not
    stated.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L).

    Args:
        num_labels: number of labels L.
        backbone: a name for `build_backbone`, or a keras.Model whose outputs are
            feature maps, finest first.
        feature_map: index of the feature map that is classified. The paper takes the
            last; on small images a finer one, such as -2, locates labels better.
        image_size: side of the images in pixels.
        weights: for a named backbone: "imagenet", a path, or None.
        name: name of the model.

    Raises:
        ValueError: if a number is below 1 or the backbone has no such feature map.

    Example:
        >>> model = build_cam_generator(5, backbone="small_resnet", image_size=64)
        >>> model.output_shape, model.get_layer("activation_maps").output.shape
        ((None, 5), (None, 2, 2, 5))
    """
    check_arguments(build_cam_generator, locals())
    extractor = resolve_backbone(backbone, image_size=image_size, weights=weights)
    outputs = extractor.outputs
    if not -len(outputs) <= feature_map < len(outputs):
        raise ValueError(
            f"`feature_map` must be the index of one of {len(outputs)} feature maps of "
            f"{extractor.name!r}; got feature_map={feature_map}."
        )
    # Without the layers after that map.
    extractor = keras.Model(
        extractor.inputs[0], outputs[feature_map], name=extractor.name
    )
    images = keras.Input((image_size, image_size, 3), name="images")
    map_labels = layers.Conv2D(num_labels, 1, dtype="float32", name=ACTIVATION_MAPS)
    maps = map_labels(extractor(images))
    logits = layers.GlobalAveragePooling2D(dtype="float32", name=LOGITS)(maps)
    return keras.Model(images, logits, name=name)


def build_semantic_resnest(
    num_labels: Count,
    *,
    cam_generator: keras.Model,
    backbone: str | keras.Model = "resnest50d",
    embedding: Literal["deconv", "resize"] = "deconv",
    embedding_channels: Count = 1,
    hidden_units: Sequence[Count] = (512,),
    image_size: ImageSize = 256,
    weights: str | pathlib.Path | None = None,
    extra_channels: Literal["zeros", "mean"] = "zeros",
    generator: Literal["frozen", "trainable", "joint"] = "frozen",
    generator_loss_weight: NonNegative = 1.0,
    share: Literal["nothing", "stem"] = "nothing",
    kernel_size: Count = 4,
    last_norm: bool = True,
    last_activation: str | None = None,
    name: str = "semantic_resnest",
) -> keras.Model:
    """Builds a classifier of images and an embedding of their activation maps.

    The maps of a generator, at the size of the image, are concatenated to RGB. The
    generator is copied into the model, and the given one is not changed.

    Paper: Shen, Zhao and Luo, "Semantic Embedded Deep Neural Network: A Generic
    Approach to Boost Multi-Label Image Classification Performance", 2023, section III
    and figure 1, https://arxiv.org/abs/2305.05228. The sizes of the fully connected
    layers, the kernel of the deconvolutions and the normalisation after the last are
    not stated. Differs from the paper: `generator="joint"` is the single model that it
    names as its next step, trained in one run by the loss of both logits; with
    `share="stem"` both parts begin with the same stem, and the embedding is added to
    its output through a 1x1 convolution (a convolution of channels side by side is the
    sum of each one's).

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L).

    Args:
        num_labels: number of labels L.
        cam_generator: from `build_cam_generator`, trained, or untrained for "joint".
        backbone: a name for `build_backbone`, or a keras.Model that takes images with
            3 + `embedding_channels` channels (3 if the stem is shared) and whose
            outputs are feature maps; the last one is used.
        embedding: "deconv" for `SemanticDeconvEmbedder`, "resize" for
            `SemanticResizeEmbedder`.
        embedding_channels: D. The paper takes 1, and 3 in an ablation.
        hidden_units: units of the fully connected layers before the logits.
        image_size: side of the images in pixels, a power of two times the maps' side.
        weights: for a named backbone: "imagenet", a path, or None.
        extra_channels: of `build_backbone`, for the channels of the embedding.
        generator: "frozen", as the paper; "trainable", trained by the classifier's
            loss; "joint", trained by its own loss as well, as part of a `JointModel`.
        generator_loss_weight: of the generator's loss, for "joint".
        share: "nothing", or, for "joint", the "stem" of residual networks.
        kernel_size: of `SemanticDeconvEmbedder`.
        last_norm: of `SemanticDeconvEmbedder`.
        last_activation: of `SemanticDeconvEmbedder`.
        name: name of the model.

    Raises:
        ValueError: if the generator was built for another number of labels, another
            size or another normalisation than the classifier, or an argument is out of
            its range.

    Example:
        >>> cam_generator = build_cam_generator(
        ...     5, backbone="small_resnet", image_size=64
        ... )
        >>> model = build_semantic_resnest(
        ...     5, cam_generator=cam_generator, backbone="small_resnest", image_size=64
        ... )
        >>> model.get_layer("semantic_embedding").output.shape
        (None, 64, 64, 1)
        >>> model.output_shape
        (None, 5)
    """
    check_arguments(build_semantic_resnest, locals())
    check_choice("embedding", embedding, "deconv", "resize")
    check_choice("generator", generator, "frozen", "trainable", "joint")
    check_choice("share", share, "nothing", "stem")
    if embedding == "resize" and embedding_channels != 1:
        raise ValueError(
            '`embedding_channels` must be 1 for embedding="resize", which sums all '
            f"maps; got embedding_channels={embedding_channels}."
        )
    if share == "stem" and generator != "joint":
        raise ValueError(
            '`share` must be "nothing" unless both parts are trained together; got '
            f'share="stem" and generator="{generator}". Take generator="joint".'
        )
    _require_maps(cam_generator, num_labels, image_size)
    channels = 3 if share == "stem" else 3 + embedding_channels
    if isinstance(backbone, str):
        classifier = build_backbone(
            backbone,
            image_size=image_size,
            channels=channels,
            weights=weights,
            extra_channels=extra_channels,
        )
    else:
        classifier = resolve_backbone(
            backbone, image_size=image_size, channels=channels, weights=weights
        )
    _require_same_normalisation(cam_generator, classifier)

    images = keras.Input((image_size, image_size, 3), name="images")
    seen = images
    if share == "stem":
        stem, classifier, map_labels = _join_at_stem(cam_generator, classifier)
        seen = stem(images)
    else:
        map_labels = _copy(_up_to_maps(cam_generator))
    map_labels.trainable = generator != "frozen"
    name_maps = layers.Activation("linear", dtype="float32", name=ACTIVATION_MAPS)
    maps = name_maps(map_labels(seen))

    side = seen.shape[1]
    if embedding == "deconv":
        embed: keras.Layer = SemanticDeconvEmbedder(
            embedding_channels,
            _count_doublings(maps.shape[1], side),
            kernel_size=kernel_size,
            last_norm=last_norm,
            last_activation=last_activation,
            name="semantic_embedding",
        )
    else:
        embed = SemanticResizeEmbedder(side, name="semantic_embedding")
    guided = embed(maps)  # (B, side, side, D)
    if share == "stem":
        # The classifier starts without guidance, as with zeros in an inflated stem.
        guided = layers.Conv2D(
            seen.shape[-1], 1, use_bias=False, kernel_initializer="zeros", name="guide"
        )(guided)
        guided = layers.Add(name="guided")([seen, guided])
    else:
        # bfloat16 has too few bits for pixels.
        guided = layers.Concatenate(dtype="float32", name="guided")([seen, guided])

    x = keras.tree.flatten(classifier(guided))[-1]
    x = layers.GlobalAveragePooling2D(name=POOL)(x)
    for index, units in enumerate(hidden_units, start=1):
        x = layers.Dense(units, activation="relu", name=f"hidden_{index}")(x)
    if generator != "joint":
        logits = layers.Dense(num_labels, dtype="float32", name=LOGITS)(x)
        return keras.Model(images, logits, name=name)
    logits = layers.Dense(num_labels, dtype="float32", name="classifier_logits")(x)
    means = layers.GlobalAveragePooling2D(dtype="float32", name="generator_logits")
    join = JointLogits(generator_loss_weight, dtype="float32", name=LOGITS)
    return JointModel(images, join(logits, means(maps)), name=name)


def _require_maps(generator: keras.Model, num_labels: int, image_size: int) -> None:
    names = [layer.name for layer in generator.layers]
    if ACTIVATION_MAPS not in names:
        raise ValueError(
            f"`cam_generator` must have a layer named {ACTIVATION_MAPS!r}, as those of "
            f"`build_cam_generator` have; got {generator.name!r} with the layers "
            f"{names}."
        )
    maps = generator.get_layer(ACTIVATION_MAPS).output.shape[-1]
    if maps != num_labels:
        raise ValueError(
            "`cam_generator` must have been trained for the same labels; it has maps "
            f"of {maps}, and num_labels={num_labels}."
        )
    sides = tuple(generator.input_shape[1:3])
    if sides != (image_size, image_size):
        raise ValueError(
            "`cam_generator` must have been trained on images of the same size; it "
            f"takes {sides[0]} x {sides[1]} pixels, and image_size={image_size}."
        )


def _require_same_normalisation(
    generator: keras.Model, classifier: keras.Model
) -> None:
    theirs, ours = _normalisation(generator), _normalisation(classifier)
    if theirs != ours:
        raise ValueError(
            "`cam_generator` must normalise pixels as the classifier's backbone "
            f"{classifier.name!r} does; it computes {theirs}, the backbone {ours}. "
            "Train it on a backbone with the same normalisation."
        )


def _normalisation(model: keras.Model) -> str:
    """Describes how a network normalises red, green and blue."""
    steps = [
        f"{_rgb(layer.scale)} pixel + {_rgb(layer.offset)}"
        for layer in flatten_layers(model)
        if isinstance(layer, layers.Rescaling)
    ]
    return ", then ".join(steps) or "nothing"


def _rgb(values: ArrayLike) -> str:
    each = np.broadcast_to(np.ravel(values)[:3], 3)
    return f"({', '.join(f'{value:.6g}' for value in each)})"


def _up_to_maps(generator: keras.Model) -> keras.Model:
    maps = generator.get_layer(ACTIVATION_MAPS).output
    return keras.Model(generator.input, maps, name="generator")


def _copy(model: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _join_at_stem(
    generator: keras.Model, classifier: keras.Model
) -> tuple[keras.Model, keras.Model, keras.Model]:
    """Returns the classifier's stem and stages, and the generator without a stem."""
    generator = _copy(_up_to_maps(generator))
    trunk = generator.layers[1]
    for part in (trunk, classifier):
        if _STEM_END not in [layer.name for layer in getattr(part, "layers", [])]:
            raise ValueError(
                '`share` must be "nothing" unless both parts are residual networks '
                f"with a stem; got share='stem' and {part.name!r}."
            )
    ends = [part.get_layer(_STEM_END).output for part in (classifier, trunk)]
    if ends[0].shape != ends[1].shape:
        raise ValueError(
            "`share` must be \"nothing\" unless both stems end alike; got share='stem' "
            f"and outputs {ends[1].shape} in the generator, {ends[0].shape} in the "
            "classifier."
        )
    stem = keras.Model(classifier.inputs, ends[0], name="stem")
    stages = keras.Model(ends[0], classifier.outputs, name=classifier.name)
    rest = keras.Model(ends[1], trunk.outputs, name=trunk.name)
    map_labels = keras.models.clone_model(
        generator,
        input_tensors=keras.Input(ends[1].shape[1:], name="stem_features"),
        clone_function=lambda layer: rest if layer is trunk else layer,
    )
    return stem, stages, map_labels


def _count_doublings(map_side: int, side: int) -> int:
    doublings = (side // map_side).bit_length() - 1
    if doublings < 1 or map_side * 2**doublings != side:
        raise ValueError(
            "`image_size` must be such that the maps, doubled some times, fill what "
            f"they are laid beside; got maps of side {map_side} for a side of {side}. "
            "Take a multiple of 32."
        )
    return doublings
