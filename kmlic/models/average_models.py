"""Several classifiers, or one seen from both sides, as one model."""

from collections.abc import Sequence

import keras
from keras import layers, ops


def average_models(
    models: Sequence[keras.Model],
    *,
    trunk: keras.Model | None = None,
    flips: bool = False,
    name: str = "average",
) -> keras.Model:
    """Averages the logits of several models, and of the mirrored image.

    The average is a model like any other: it is scored, saved and exported as one.

    Shapes: images (B, S, S, 3) of pixels 0-255 to float32 logits (B, L).

    Args:
        models: at least one, with the same inputs and logits.
        trunk: what comes before all of them, from images to their inputs, computed
            once; None if they take images themselves.
        flips: whether the image is also mirrored left to right, at twice the cost.
        name: name of the model.

    Raises:
        ValueError: if there is no model or they differ in inputs or logits.

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
    first = models[0] if trunk is None else trunk
    images = keras.Input(first.input_shape[1:], name="images")
    # Two models of one name cannot stand in one graph.
    parts = [
        keras.Model(model.input, model.output, name=f"member_{index}")
        for index, model in enumerate(models, start=1)
    ]
    views = [images]
    if flips:
        views.append(ops.flip(images, axis=2))
    logits: list[keras.KerasTensor] = []
    for view in views:
        x = view if trunk is None else trunk(view)
        logits.extend(part(x) for part in parts)
    if len(logits) == 1:
        return keras.Model(images, logits[0], name=name)
    average = layers.Average(dtype="float32", name="logits")
    return keras.Model(images, average(logits), name=name)
