"""Averages of several classifiers, or of several views of an image."""

from collections.abc import Sequence

import keras
from keras import layers, ops

from kmlic.layers import CenterZoom
from kmlic.models._names import LOGITS


def average_models(
    models: Sequence[keras.Model],
    *,
    trunk: keras.Model | None = None,
    flips: bool = False,
    zooms: Sequence[float] | None = None,
    name: str = "average",
) -> keras.Model:
    """Builds a model that averages the logits of models on views of an image.

    It can be evaluated, saved and exported like any other model.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L).

    Args:
        models: at least one, with the same inputs and logits.
        trunk: model from images to the inputs of all models, computed once; None if
            they take images.
        flips: whether each image is also mirrored left to right, at twice the cost.
        zooms: for each model the central share of the image's sides that it sees,
            enlarged to the full size, see `CenterZoom`; None for complete images.
        name: name of the model.

    Raises:
        ValueError: if there are no models, their inputs or logits differ, or there are
            more or fewer zooms than models.

    Example:
        >>> from kmlic.models import build_classifier
        >>> one = build_classifier(5, backbone="small_resnet", image_size=64)
        >>> average_models([one], flips=True).output_shape
        (None, 5)
    """
    if not models:
        raise ValueError("`models` must hold at least one model; got none.")
    shapes = [(model.input_shape, model.output_shape) for model in models]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"`models` must have the same inputs and logits; got {shapes}."
        )
    shares = [1.0] * len(models) if zooms is None else list(zooms)
    if len(shares) != len(models):
        raise ValueError(
            f"`zooms` must be one per model; got zooms={zooms} for {len(models)}."
        )
    first = models[0] if trunk is None else trunk
    images = keras.Input(first.input_shape[1:], name="images")
    # Models in one graph need different names.
    parts = [
        keras.Model(model.input, model.output, name=f"member_{index}")
        for index, model in enumerate(models, start=1)
    ]
    logits: list[keras.KerasTensor] = []
    for share in dict.fromkeys(shares):
        view = images if share == 1 else CenterZoom(share)(images)
        for x in [view, ops.flip(view, axis=2)] if flips else [view]:
            features = x if trunk is None else trunk(x)
            logits.extend(
                part(features)
                for part, own in zip(parts, shares, strict=True)
                if own == share
            )
    if len(logits) == 1:
        return keras.Model(images, logits[0], name=name)
    average = layers.Average(dtype="float32", name=LOGITS)
    return keras.Model(images, average(logits), name=name)
