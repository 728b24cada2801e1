"""Freezing of batch normalization."""

import keras

from kmlic.layers.keras_internals import flatten_layers


def freeze_batch_norm(model: keras.Model) -> int:
    """Freezes every batch normalization of a model and returns their number.

    Frozen layers stay in inference mode: statistics of batches of a few images harm,
    and weights whose statistics were folded away have none. Call it before `compile`.

    Args:
        model: any model; layers of nested models and composite layers are included.

    Example:
        >>> from kmlic.backbones import build_backbone
        >>> freeze_batch_norm(build_backbone("small_resnet"))
        12
    """
    frozen = 0
    for layer in flatten_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
            frozen += 1
    return frozen
