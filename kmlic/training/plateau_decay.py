"""A learning rate that falls when the loss stops falling."""

from collections.abc import Mapping, Sequence

import keras

_LEAST_FALL = 1e-4  # as in ReduceLROnPlateau


class PlateauDecay(keras.callbacks.Callback):
    """Lowers the learning rate when a value has not fallen for some epochs.

    Differs from `keras.callbacks.ReduceLROnPlateau`: its decisions follow from the
    values of the epochs alone, so that a resumed training makes the same ones; see
    `resume`.

    Args:
        monitor: name of the value in the logs; lower is better.
        factor: factor of the learning rate, between 0 and 1.
        patience: epochs without a fall before each decay, at least 1.

    Raises:
        ValueError: if a number is out of its limits.

    Example:
        >>> PlateauDecay(patience=2).decays([3.0, 2.0, 2.5, 2.5])
        True
    """

    def __init__(self, monitor: str = "loss", factor: float = 0.1, patience: int = 4):
        super().__init__()
        if not 0 < factor < 1:
            raise ValueError(f"`factor` must be between 0 and 1; got factor={factor}.")
        if patience < 1:
            raise ValueError(f"`patience` must be at least 1; got patience={patience}.")
        self.monitor = monitor
        self.factor = factor
        self.patience = patience
        self.values: list[float] = []

    def resume(self, epochs: Sequence[Mapping[str, float]]) -> None:
        """Restores the values of the epochs before an interruption."""
        self.values = [values[self.monitor] for values in epochs]

    def on_epoch_end(self, epoch, logs=None):
        rate = self.model.optimizer.learning_rate
        logs["learning_rate"] = float(rate)
        self.values.append(float(logs[self.monitor]))
        if self.decays(self.values):
            rate.assign(rate * self.factor)

    def decays(self, values: Sequence[float]) -> bool:
        """Returns whether the rate falls after the last of the epochs' values."""
        lowest, waited, due = float("inf"), 0, False
        for value in values:
            due = False
            if value < lowest - _LEAST_FALL:
                lowest, waited = value, 0
                continue
            waited += 1
            if waited == self.patience:
                due, waited = True, 0
        return due
