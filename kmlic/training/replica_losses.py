"""Losses that layers add, kept apart for each replica."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras

from kmlic.training.keras_internals import replace_losses


@contextlib.contextmanager
def replica_losses(model: keras.Model) -> Iterator[None]:
    """Shows each replica only the `add_loss` losses of its own forward pass.

    Keras keeps them in one list per layer. The replicas of a `MirroredStrategy` take
    turns wherever they wait for each other, as in synchronized batch normalization, so
    that one reads or clears the losses of another: with two replicas such a loss weighs
    one and a half times as much as with one.

    Args:
        model: any model; changed within the context only.

    Example:
        >>> inputs = keras.Input((2,))
        >>> outputs = keras.layers.ActivityRegularization(1.0)(inputs)
        >>> model = keras.Model(inputs, outputs)
        >>> with replica_losses(model):
        ...     _ = model(keras.ops.ones((1, 2)))
        ...     print([float(loss) for loss in model.losses])
        [2.0]
    """
    replace_losses(model, _OwnLosses)
    try:
        yield
    finally:
        replace_losses(model, list)


class _OwnLosses(threading.local):
    """Acts as Keras' list of losses, with one list for each replica's thread."""

    def __init__(self) -> None:
        self._losses: list[Any] = []

    def extend(self, losses: list[Any]) -> None:
        self._losses.extend(losses)

    def __getitem__(self, index: slice) -> list[Any]:
        return self._losses[index]

    def clear(self) -> None:
        self._losses.clear()
