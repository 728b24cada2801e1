"""Trains a compiled model, in epochs that survive an interruption."""

from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from kmlic.training.callbacks import (
    EpochState,
    Metrics,
    TrainingProgress,
    ValidationScores,
)


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int,
    folder: str | Path,
    title: str = "model",
    metrics: Metrics | None = None,
    monitor: str = "mAP",
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> list[dict[str, float]]:
    """Trains with `model.fit` and leaves the epoch best on the validation split.

    Each epoch ends with exact metrics of the validation split and with a copy of the
    whole state in `folder`: called again after an interruption, the training goes on
    with the epoch that was cut off.

    Args:
        model: compiled.
        train: batches of images and targets, one epoch long.
        validation: batches of images and targets, in order.
        epochs: epochs in all, those before an interruption included.
        folder: where the state is kept, one per training.
        title: the model's name in the progress lines.
        metrics: the model and the validation split to values by name; None for mAP and
            loss.
        monitor: the metric by which an epoch is the best, higher is better.
        callbacks: further ones of Keras, called before the metrics are computed. One
            with a method `resume` is given the values of the epochs done before.

    Returns:
        For each epoch its values by name: loss, learning_rate, and the metrics after
        "val_".

    Raises:
        RuntimeError: if the loss is not finite.
        ValueError: if the number of batches of `train` is not known.
    """
    steps = int(train.cardinality())
    if steps < 1:
        raise ValueError(
            f"`train` must have a known number of batches; got cardinality={steps}. "
            "Use `train.apply(tf.data.experimental.assert_cardinality(number))`."
        )
    state = EpochState(folder, f"val_{monitor}")
    done = state.restore(model)
    for callback in callbacks:
        if hasattr(callback, "resume"):
            callback.resume(state.epochs)
    if done < epochs:
        # One iterator for all epochs: where one ends, TensorFlow may wait up to 20 s
        # for a thread of tf.data that slept through the call to stop.
        model.fit(
            train.repeat(),
            steps_per_epoch=steps,
            epochs=epochs,
            initial_epoch=done,
            shuffle=False,
            verbose=0,
            callbacks=[
                keras.callbacks.TerminateOnNaN(raise_error=True),
                *callbacks,
                ValidationScores(validation, model.loss, metrics),
                TrainingProgress(title, first_epoch=done),
                state,
            ],
        )
    else:
        state.set_model(model)
        state.on_train_end()
    return state.epochs
