"""Batch normalization that no longer learns from the batch."""

import keras

from kmlic.layers.keras_internals import flatten_layers


def freeze_batch_norm(model: keras.Model) -> int:
    """Keeps every batch normalization in inference mode and gives their number.

    With batches of a few images their statistics harm more than they adapt, and weights
    whose statistics were folded away have none to learn from. Call it before `compile`.

    Args:
        model: any model; nested models and composite layers are reached too.

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
