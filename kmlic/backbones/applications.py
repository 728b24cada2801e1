"""Models of keras.applications as backbones."""

import dataclasses
import functools
import os
import pathlib
import re
import warnings

import keras
from keras import layers, ops

from kmlic.backbones._build_network import normalise_imagenet, rescale
from kmlic.backbones.load_weights import load_weights
from kmlic.layers import FusedBatchNorm
from kmlic.require_reachable import require_reachable

_HOST = "https://storage.googleapis.com"  # of Keras' weights
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red


@dataclasses.dataclass(frozen=True)
class Application:
    """Describes the feature maps and pixels of a model of keras.applications.

    Args:
        builder: its name in keras.applications.
        feature_layers: names of the layers at strides 4, 8, 16 and 32.
        pixels: what its weights were trained with: "0 to 255" (it normalises inside),
            "-1 to 1", "imagenet" (RGB minus its mean, divided by its deviation) or
            "caffe" (BGR minus its mean).
    """

    builder: str
    feature_layers: tuple[str, ...]
    pixels: str


def _resnet(depths):
    return tuple(f"conv{i}_block{n}_out" for i, n in enumerate(depths, start=2))


def _resnet_v2(depths):
    stages = (f"conv{i}_block{n}_preact_relu" for i, n in enumerate(depths, start=2))
    return (*stages, "post_relu")


def _efficientnet(finest):
    coarser = (f"block{block}a_expand_activation" for block in (4, 6))
    return (finest, *coarser, "top_activation")


def _convnext(size, depth):
    return tuple(
        f"convnext_{size}_stage_{stage}_block_{blocks - 1}_identity"
        for stage, blocks in enumerate((3, 3, depth, 3))
    )


def _vgg(last):
    return (*(f"block{block}_conv{last}" for block in (3, 4, 5)), "block5_pool")


# InceptionV3, InceptionResNetV2, MobileNetV3 and the NASNets are missing: the names of
# their layers depend on the models built before. They can be passed as a keras.Model.
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
    "resnet152": Application("ResNet152", _resnet((3, 8, 36, 3)), "caffe"),
    "resnet50_v2": Application("ResNet50V2", _resnet_v2((3, 4, 6)), "-1 to 1"),
    "resnet101_v2": Application("ResNet101V2", _resnet_v2((3, 4, 23)), "-1 to 1"),
    "resnet152_v2": Application("ResNet152V2", _resnet_v2((3, 8, 36)), "-1 to 1"),
    "vgg16": Application("VGG16", _vgg(3), "caffe"),
    "vgg19": Application("VGG19", _vgg(4), "caffe"),
    "xception": Application(
        "Xception",
        (*(f"block{n}_sepconv2_bn" for n in (3, 4, 13)), "block14_sepconv2_act"),
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
        f"convnext_{size.lower()}": Application(
            f"ConvNeXt{size}", _convnext(size.lower(), depth), "0 to 255"
        )
        for size, depth in {
            "Tiny": 9,
            "Small": 27,
            "Base": 27,
            "Large": 27,
            "XLarge": 27,
        }.items()
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
        channels: of the images. The first three are RGB; the others are passed to the
            first convolution unchanged.
        weights: "imagenet" (Keras downloads them), the path of a `.weights.h5` file of
            the same model without its classifier (with it if `include_top`), or None.

    Raises:
        ConnectionError: if the ImageNet weights cannot be downloaded.
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
    build = functools.partial(
        getattr(keras.applications, application.builder),
        include_top=include_top,
        input_shape=(image_size, image_size, channels),
        **head,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This model usually expects 1 or 3 input")
        if weights == "imagenet":
            inner = _with_imagenet_weights(application.builder, build)
        else:
            inner = build(weights=None)
    if weights not in (None, "imagenet"):
        load_weights(inner, weights)
    if application.pixels != "0 to 255":  # those keep statistics that are no weights
        inner = _with_fused_batch_norm(inner)
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


def _with_fused_batch_norm(model):
    """Clones a model with batch normalization that takes a third less time to train."""

    def clone(layer):
        config = layer.get_config()
        if type(layer) is not layers.BatchNormalization:
            return type(layer).from_config(config)
        kept = ("name", "trainable", "dtype", "momentum", "epsilon")
        return FusedBatchNorm(**{name: config[name] for name in kept})

    fused = keras.models.clone_model(model, clone_function=clone)
    fused.set_weights(model.get_weights())
    return fused


def _with_imagenet_weights(builder, build):
    remedy = (
        f"Download the weights of keras.applications.{builder} on another machine and "
        "pass their .weights.h5 file as `weights` (--weights FILE)."
    )
    home = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    names = [_plain(path.name) for path in home.glob("models/*")]
    if not any(name.startswith(_plain(builder)) for name in names):
        require_reachable(_HOST, remedy)
    try:
        return build(weights="imagenet")
    except Exception as error:  # Keras raises a plain one if it cannot download
        if "URL fetch failure" not in str(error):
            raise
        raise ConnectionError(f"{error} {remedy}") from error


def _plain(name):
    return re.sub("[^a-z0-9]", "", name.lower())


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
