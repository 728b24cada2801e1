"""Callbacks that score a model and show the progress of its training."""

import time
from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np

from kmlic.data.progress import make_bar
from kmlic.labels import to_probabilities
from kmlic.make_console import make_console
from kmlic.metrics import average_precision
from kmlic.training.scoring import predict_logits

Metrics = Callable[[keras.Model, Iterable], Mapping[str, float]]


class ValidationScores(keras.callbacks.Callback):
    """Adds exact metrics and the loss of a dataset to the logs, prefixed by "val_".

    Every image is scored once, on the host: a metric inside the graph cannot keep all
    scores, and a metric inside a replica sees only a part of them.

    A metric that is not defined, for instance because no image shows any label, is NaN.

    Args:
        dataset: batches of images and targets 1, 0 or -1.
        loss: loss of targets and logits, as in `fit`; None leaves it out.
        metrics: function of a model and a dataset that returns values by name; None
            for the loss and the mean average precision of independent labels, `mAP`.
        monitor: name of the metric that chooses the best epoch; if it is NaN, the loss
            is added where `metrics` leaves it out.
    """

    def __init__(
        self,
        dataset: Iterable,
        loss: keras.Loss | None = None,
        metrics: Metrics | None = None,
        monitor: str = "mAP",
    ):
        super().__init__()
        self.monitor = monitor
        self.dataset = dataset
        self.loss = loss
        self.metrics = metrics

    def on_epoch_end(self, epoch, logs=None):
        if self.metrics is not None:
            values = dict(self.metrics(self.model, self.dataset))
            if np.isnan(values[self.monitor]) and callable(self.loss):
                targets, logits = predict_logits(self.model, self.dataset)
                values.setdefault("loss", float(self.loss(targets, logits)))
        else:
            targets, logits = predict_logits(self.model, self.dataset)
            scores = average_precision(targets, to_probabilities(logits))
            known = scores[~np.isnan(scores)]
            values = {"mAP": float(known.mean()) if len(known) else float("nan")}
            if self.loss is not None:
                values["loss"] = float(self.loss(targets, logits))
        logs.update({f"val_{name}": x for name, x in values.items()})


class TrainingProgress(keras.callbacks.Callback):
    """Shows the progress of a training, the values of each epoch and the time left.

    Draws a progress bar on a terminal; elsewhere prints one line per epoch.

    Args:
        title: name of what is trained, the first word of every line.
        first_epoch: number of epochs done before an interruption.
    """

    def __init__(self, title: str, first_epoch: int = 0):
        super().__init__()
        self.title = title
        self.first_epoch = first_epoch
        self.console = make_console()

    def close(self) -> None:
        """Removes the bar, also after an error."""
        self._bar.stop()

    def on_train_begin(self, logs=None):
        self._start = time.monotonic()
        self._bar = make_bar(self.console)
        self._bar.start()
        steps = self.params.get("steps")
        total = steps and steps * (self.params["epochs"] - self.first_epoch)
        self._task = self._bar.add_task(self.title, total=total)

    def on_train_batch_end(self, batch, logs=None):
        self._bar.advance(self._task)

    def on_epoch_end(self, epoch, logs=None):
        epochs = self.params["epochs"]
        seconds = time.monotonic() - self._start
        left = seconds / (epoch + 1 - self.first_epoch) * (epochs - epoch - 1)
        # Values of single groups, such as `val_accuracy/sleeve`, make lines too long.
        values = " ".join(
            f"{name} {value:.4f}" for name, value in logs.items() if "/" not in name
        )
        self.console.print(
            f"{self.title}: epoch {epoch + 1}/{epochs} {values} | "
            f"{seconds:.0f} s, {left:.0f} s left",
            soft_wrap=True,
        )
