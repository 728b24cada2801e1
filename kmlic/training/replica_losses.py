"""Losses that layers add, told apart by the replica that computed them."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def replica_losses(model: keras.Model) -> Iterator[None]:
    """Lets each replica see those of `add_loss` that its own forward pass added.

    Keras keeps them in one list per layer. The replicas of a `MirroredStrategy` take
    turns wherever they wait for each other, as in synchronised batch normalization, so
    that one finds, or clears, the other's: with two replicas such a loss weighs one
    and a half times what it does with one.

    Args:
        model: any; changed while the context lasts.

    Example:
        >>> inputs = keras.Input((2,))
        >>> outputs = keras.layers.ActivityRegularization(1.0)(inputs)
        >>> model = keras.Model(inputs, outputs)
        >>> with replica_losses(model):
        ...     _ = model(keras.ops.ones((1, 2)))
        ...     print([float(loss) for loss in model.losses])
        [2.0]
    """
    layers = model._flatten_layers()
    for layer in layers:
        layer._losses = _OwnLosses()
    try:
        yield
    finally:
        for layer in layers:
            layer._losses = []


class _OwnLosses(threading.local):
    """Does what Keras does with a list of losses, for each replica's thread."""

    def __init__(self) -> None:
        self._losses: list[Any] = []

    def extend(self, losses: list[Any]) -> None:
        self._losses.extend(losses)

    def __getitem__(self, index: slice) -> list[Any]:
        return self._losses[index]

    def clear(self) -> None:
        self._losses.clear()
