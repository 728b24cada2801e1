"""The models of keras.applications as backbones."""

import dataclasses
import os
import warnings

import keras
from keras import layers, ops

from kmlic.backbones._build_network import normalise_imagenet, rescale
from kmlic.backbones.load_weights import load_weights

_CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red


@dataclasses.dataclass(frozen=True)
class Application:
    """Says where a model of keras.applications has its feature maps.

    Args:
        builder: its name in keras.applications.
        feature_layers: names of the layers at strides 4, 8, 16 and 32.
        pixels: what its weights were trained with: "0 to 255" (it normalises by
            itself), "-1 to 1", "imagenet" (RGB less its mean, over its deviation) or
            "caffe" (BGR less its mean).
    """

    builder: str
    feature_layers: tuple[str, ...]
    pixels: str


def _resnet_v2(depths):
    stages = (f"conv{i}_block{n}_preact_relu" for i, n in enumerate(depths, start=2))
    return (*stages, "post_relu")


def _efficientnet(finest):
    coarser = (f"block{block}a_expand_activation" for block in (4, 6))
    return (finest, *coarser, "top_activation")


def _convnext(size, depths):
    return tuple(
        f"convnext_{size}_stage_{stage}_block_{depth - 1}_identity"
        for stage, depth in enumerate(depths)
    )


def _vgg(last):
    return (*(f"block{block}_conv{last}" for block in (3, 4, 5)), "block5_pool")


# InceptionV3, InceptionResNetV2, MobileNetV3 and the NASNets are missing: the names of
# their layers depend on what was built before. Any keras.Model serves as it is, though.
APPLICATIONS = {
    "mobilenet": Application(
        "MobileNet",
        ("conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"),
        "-1 to 1",
    ),
    "mobilenet_v2": Application(
        "MobileNetV2",
        (*(f"block_{block}_expand_relu" for block in (3, 6, 13)), "out_relu"),
        "-1 to 1",
    ),
    "resnet152": Application(
        "ResNet152",
        (
            "conv2_block3_out",
            "conv3_block8_out",
            "conv4_block36_out",
            "conv5_block3_out",
        ),
        "caffe",
    ),
    "resnet50_v2": Application("ResNet50V2", _resnet_v2((3, 4, 6)), "-1 to 1"),
    "resnet101_v2": Application("ResNet101V2", _resnet_v2((3, 4, 23)), "-1 to 1"),
    "resnet152_v2": Application("ResNet152V2", _resnet_v2((3, 8, 36)), "-1 to 1"),
    "vgg16": Application("VGG16", _vgg(3), "caffe"),
    "vgg19": Application("VGG19", _vgg(4), "caffe"),
    "xception": Application(
        "Xception",
        (
            "block3_sepconv2_bn",
            "block4_sepconv2_bn",
            "block13_sepconv2_bn",
            "block14_sepconv2_act",
        ),
        "-1 to 1",
    ),
    **{
        f"densenet{depth}": Application(
            f"DenseNet{depth}",
            ("pool2_relu", "pool3_relu", "pool4_relu", "relu"),
            "imagenet",
        )
        for depth in (121, 169, 201)
    },
    **{
        f"efficientnet_b{size}": Application(
            f"EfficientNetB{size}",
            _efficientnet("block3a_expand_activation"),
            "0 to 255",
        )
        for size in range(8)
    },
    **{
        f"efficientnet_v2_{size.lower()}": Application(
            f"EfficientNetV2{size}", _efficientnet(f"block2{last}_add"), "0 to 255"
        )
        for size, last in zip(
            ("B0", "B1", "B2", "B3", "S", "M", "L"), "bcccdeg", strict=True
        )
    },
    **{
        f"convnext_{size}": Application(
            f"ConvNeXt{builder}", _convnext(size, (3, 3, depth, 3)), "0 to 255"
        )
        for size, builder, depth in (
            ("tiny", "Tiny", 9),
            ("small", "Small", 27),
            ("base", "Base", 27),
            ("large", "Large", 27),
            ("xlarge", "XLarge", 27),
        )
    },
}


def build_application(
    name: str,
    *,
    image_size: int | None,
    include_top: bool,
    num_classes: int,
    channels: int = 3,
    weights: str | os.PathLike[str] | None = None,
) -> keras.Model:
    """Builds a model of keras.applications that takes pixels 0-255.

    Shapes: images (B, H, W, C) to four feature maps, finest first, or to float32
    logits (B, `num_classes`).

    Args:
        name: its name in `APPLICATIONS`.
        image_size: side of the images in pixels; None for any.
        include_top: whether to end in the classifier instead of feature maps.
        num_classes: logits of that classifier.
        channels: of the images. The first three are RGB; those after them reach the
            first convolution as they are.
        weights: "imagenet" (Keras downloads them), the path of a `.weights.h5` file of
            the same model without its classifier (with it if `include_top`), or None.

    Raises:
        ValueError: if the model normalises inside and so cannot take more channels.
    """
    application = APPLICATIONS[name]
    if channels != 3 and application.pixels == "0 to 255":
        raise ValueError(
            f"`channels` must be 3 for {name!r}, which normalises RGB inside; got "
            f"channels={channels}. Use a residual network or mobilenet_v2 for more."
        )
    head = (
        {"classes": num_classes, "classifier_activation": None} if include_top else {}
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This model usually expects 1 or 3 input")
        inner = getattr(keras.applications, application.builder)(
            include_top=include_top,
            weights="imagenet" if weights == "imagenet" else None,
            input_shape=(image_size, image_size, channels),
            **head,
        )
    if weights not in (None, "imagenet"):
        load_weights(inner, weights)
    if not include_top:
        inner = keras.Model(
            inner.input,
            [inner.get_layer(layer).output for layer in application.feature_layers],
            name=inner.name,
        )
    images = keras.Input((image_size, image_size, channels), name="images")
    outputs = inner(_normalise(images, application.pixels))
    if include_top:
        outputs = layers.Activation("linear", dtype="float32", name="logits")(outputs)
    return keras.Model(images, outputs, name=name)


def _normalise(images, pixels):
    if pixels == "0 to 255":
        return images
    if pixels == "imagenet":
        return normalise_imagenet(images)
    if pixels == "-1 to 1":
        return rescale(images, [1 / 127.5] * 3, [-1.0] * 3)
    bgr = ops.flip(images[..., :3], axis=-1)
    if images.shape[-1] > 3:
        bgr = ops.concatenate([bgr, images[..., 3:]], axis=-1)
    return rescale(bgr, [1.0] * 3, [-mean for mean in _CAFFE_MEAN])
