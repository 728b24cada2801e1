"""The models of keras.applications as backbones."""

import dataclasses
import pathlib

import keras
from keras import layers

from kmlic.backbones.load_weights import load_weights


@dataclasses.dataclass(frozen=True)
class Application:
    """Says where a model of keras.applications has its feature maps.

    Args:
        builder: its name in keras.applications.
        feature_layers: names of the layers at strides 4, 8, 16 and 32.
        pixels: what the weights were trained with: "-1 to 1", "0 to 255" (the model
            normalises by itself), "imagenet" (mean and deviation) or "caffe" (BGR
            less its mean).
    """

    builder: str
    feature_layers: tuple[str, str, str, str]
    pixels: str


APPLICATIONS = {
    "mobilenet_v2": Application(
        "MobileNetV2",
        (
            "block_3_expand_relu",
            "block_6_expand_relu",
            "block_13_expand_relu",
            "out_relu",
        ),
        "-1 to 1",
    ),
}


def build_application(
    name: str,
    *,
    image_size: int | None,
    weights: str | pathlib.Path | None,
    include_top: bool,
    num_classes: int,
) -> keras.Model:
    """Builds a model of keras.applications that takes pixels 0-255.

    Shapes: images (B, H, W, 3) to four feature maps, finest first, or to float32
    logits (B, `num_classes`).

    Args:
        name: its name in `APPLICATIONS`.
        image_size: side of the images in pixels; None for any.
        weights: "imagenet" (Keras downloads them), the path of a `.weights.h5` file of
            the same model without its classifier (with it if `include_top`), or None.
        include_top: whether to end in the classifier instead of feature maps.
        num_classes: logits of that classifier.
    """
    application = APPLICATIONS[name]
    inner = getattr(keras.applications, application.builder)(
        include_top=include_top,
        weights="imagenet" if weights == "imagenet" else None,
        input_shape=(image_size, image_size, 3),
        **(
            {"classes": num_classes, "classifier_activation": None}
            if include_top
            else {}
        ),
    )
    if weights not in (None, "imagenet"):
        load_weights(inner, weights)
    if not include_top:
        inner = keras.Model(
            inner.input,
            [inner.get_layer(layer).output for layer in application.feature_layers],
            name=inner.name,
        )
    images = keras.Input((image_size, image_size, 3), name="images")
    outputs = inner(_normalise(images, application.pixels))
    return keras.Model(images, outputs, name=name)


def _normalise(images, pixels):
    if pixels == "-1 to 1":
        return layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="normalise")(
            images
        )
    return images
