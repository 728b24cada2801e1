"""Initialises the output bias from label frequencies."""

import keras
import numpy as np

from kmlic.models import LOGITS


def initialise_bias(
    model: keras.Model,
    targets: np.ndarray,
    *,
    layer: str = LOGITS,
    gain: float = 1.0,
) -> None:
    """Sets the biases of the logits to the log-odds of the labels in the targets.

    Without it every probability starts near one half, and the first epochs change the
    features only to learn that most labels are rare.

    Paper: Lin, Goyal, Girshick, He and Dollár, "Focal Loss for Dense Object Detection",
    ICCV 2017, section 4.1, https://arxiv.org/abs/1708.02002, b = log(p / (1 - p)).
    Differs from the paper: p is the frequency of each label, computed with half a
    positive and half a negative image added.

    Shapes: targets (N, L).

    Args:
        model: has a layer with a bias.
        targets: targets of the training split: 1 present, 0 absent, -1 unknown.
        layer: name of the layer. Its bias has the same number of values for each label,
            with those of a label adjacent.
        gain: how much a logit rises when all biases of its label rise by one; differs
            from 1 where maps are pooled after the layer.

    Raises:
        ValueError: if the layer is missing or its bias does not fit the labels.

    Example:
        >>> images = keras.Input((4,))
        >>> model = keras.Model(images, keras.layers.Dense(2, name="logits")(images))
        >>> initialise_bias(model, np.array([[1, 0], [1, 0], [0, 0], [1, -1]]))
        >>> probabilities = keras.ops.sigmoid(model.get_layer("logits").bias)
        >>> [round(float(each), 3) for each in probabilities]
        [0.7, 0.125]
    """
    named = {each.name: each for each in model.layers}
    bias = getattr(named.get(layer), "bias", None)
    shape = None if bias is None else tuple(bias.shape)
    if bias is None or bias.shape[0] % targets.shape[1]:
        raise ValueError(
            f"`model` must have a layer {layer!r} with the same number of biases for "
            f"each label; got a bias of shape {shape} for {targets.shape[1]} labels."
        )
    present = np.sum(targets == 1, axis=0) + 0.5
    absent = np.sum(targets == 0, axis=0) + 0.5
    values = np.log(present / absent) / gain
    bias.assign(np.repeat(values, bias.shape[0] // len(values)))
