"""A last layer that begins with the frequency of each label."""

import keras
import numpy as np


def initialise_bias(model: keras.Model, targets: np.ndarray) -> None:
    """Sets the biases of the logits to the log-odds of the labels in the targets.

    A model that begins with every probability at one half spends its first epochs on
    learning that most labels are rare, and bends its features for it.

    Paper: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, section 4.1,
    https://arxiv.org/abs/1708.02002, b = log(p / (1 - p)). Differs from the paper: p is
    each label's own frequency, with half an image of each kind added.

    Shapes: targets (N, L).

    Args:
        model: has a layer "logits" whose bias has one value per label.
        targets: of the training split: 1 present, 0 absent, -1 unknown.

    Raises:
        ValueError: if the layer is missing or its bias has another number of labels.

    Example:
        >>> images = keras.Input((4,))
        >>> model = keras.Model(images, keras.layers.Dense(2, name="logits")(images))
        >>> initialise_bias(model, np.array([[1, 0], [1, 0], [0, 0], [1, -1]]))
        >>> np.round(keras.ops.sigmoid(model.get_layer("logits").bias), 3).tolist()
        [0.7, 0.125]
    """
    names = [layer.name for layer in model.layers]
    layer = model.get_layer("logits") if "logits" in names else None
    bias = getattr(layer, "bias", None)
    shape = None if bias is None else tuple(bias.shape)
    if bias is None or shape != targets.shape[1:]:
        raise ValueError(
            "`model` must have a layer 'logits' with one bias per label; got a bias of "
            f"shape {shape} for {targets.shape[1]} labels."
        )
    present = np.sum(targets == 1, axis=0) + 0.5
    absent = np.sum(targets == 0, axis=0) + 0.5
    bias.assign(np.log(present / absent))
