"""Training of a compiled model that can be interrupted and resumed."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kmlic.data.training_batches import TrainingBatches
from kmlic.layers.keras_internals import flatten_layers
from kmlic.on_sigterm import on_sigterm
from kmlic.require_tensorflow import require_tensorflow
from kmlic.training.accumulate_gradients import accumulate_gradients
from kmlic.training.augment_on_device import augment_on_device
from kmlic.training.averaged_weights import AveragedWeights
from kmlic.training.callbacks import Metrics, TrainingProgress, ValidationScores
from kmlic.training.keras_internals import build_all, without_first_batch
from kmlic.training.multi_worker import distribute
from kmlic.training.replica_losses import replica_losses
from kmlic.training.training_state import TrainingState


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset | None,
    *,
    epochs: int,
    folder: str | Path,
    title: str = "model",
    metrics: Metrics | None = None,
    monitor: str = "mAP",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    loggers: Sequence[keras.callbacks.Callback] = (),
    save_seconds: float = 300.0,
    ema: float | None = None,
    accumulate: int = 1,
    augmentation: str = "none",
    seed: int = 0,
) -> list[dict[str, float]]:
    """Trains with `model.fit` and restores the epoch best on the validation split.

    Without a validation split it keeps the last epoch. Else it computes exact metrics
    of the validation split after each epoch. It writes a checkpoint to `folder` after
    each epoch and at intervals within it. Called again after an interruption, it
    resumes from the last checkpoint and ends with the same weights, optimizer, order of
    images, augmentation and values of the epochs as a training without interruption. On
    SIGTERM it finishes and saves the current step, then ends the process with status
    143.

    Args:
        model: compiled.
        train: batches of images and targets of one epoch. The batches of kmlic.data
            start at any step directly; any other dataset is iterated up to that step
            and must be the same each time.
        validation: batches of images and targets, in order; None to score no epoch and
            keep the last one.
        epochs: total number of epochs, including those before an interruption.
        folder: folder of the checkpoints, one per training.
        title: name of the model in the progress lines.
        metrics: function of the model and the validation split that returns values by
            name; None for mAP and loss.
        monitor: name of the metric that chooses the best epoch; higher is better. Where
            it is NaN in every epoch, the lowest val_loss is best, after one warning.
        callbacks: further Keras callbacks, called before the metrics are computed. If
            a callback has a method `resume`, it receives the values of earlier epochs.
        loggers: Keras callbacks that are called with the metrics of each epoch.
        save_seconds: longest time between checkpoints within an epoch, in seconds.
        ema: momentum of the moving average of the weights, for instance 0.999, which is
            scored and kept instead of the weights, see `AveragedWeights`; None for the
            weights themselves.
        accumulate: number of parts of a batch, see `accumulate_gradients`.
        augmentation: augmentation of unaugmented batches, see `augment_on_device`.
        seed: seed of that augmentation.

    Returns:
        The values of each epoch by name: loss, learning_rate, and the metrics prefixed
        by "val_".

    Raises:
        RuntimeError: if the loss or a weight is not finite, naming the batch.
        SystemExit: with status 143, after SIGTERM.
        ValueError: if Keras has another backend than TensorFlow, the number of batches
            of `train` is unknown, a batch cannot be
            split evenly over the replicas, or the folder holds checkpoints of a
            training with other settings.
    """
    require_tensorflow("kmlic.training.fit")
    steps = int(train.cardinality())
    if steps < 1:
        raise ValueError(
            f"`train` must have a known number of batches; got cardinality={steps}. "
            "Use `train.apply(tf.data.experimental.assert_cardinality(number))`."
        )
    _require_parts(model, train)
    scores = keras.callbacks.Callback()
    if validation is not None:
        scores = ValidationScores(validation, model.loss, metrics, monitor)
    averaged = None
    if ema is not None:
        _keep_average(model, ema)
        averaged = scores = AveragedWeights(scores, train)
    accumulate_gradients(model, accumulate)
    augment_on_device(model, augmentation, seed=seed)
    build_all(model, train.element_spec)
    state = TrainingState(
        folder,
        steps,
        monitor=None if validation is None else f"val_{monitor}",
        seconds=save_seconds,
        rows=train.rows if isinstance(train, TrainingBatches) else None,
        best_weights=averaged and (lambda: averaged.weights),
    )
    on_device = {"augmentation on the device": augmentation, "its seed": seed}
    state.restore(model, _settings(model, steps) | on_device)
    for callback in callbacks:
        if hasattr(callback, "resume"):
            callback.resume(state.epochs)
    done = len(state.epochs)
    if done >= epochs:
        state.on_train_end()
        return state.epochs
    progress = TrainingProgress(title, first_epoch=done)
    with (
        contextlib.closing(progress),
        on_sigterm(state.stop),
        _synchronized(model),
        replica_losses(model),
        _skip_steps(model, state.step - done * steps),
        without_first_batch(model),  # the model is built
    ):
        # One iterator for all epochs: that of a caller's own pipeline may end slowly,
        # see `in_order`.
        model.fit(
            _from_step(model, train, state.step),
            steps_per_epoch=steps,
            epochs=epochs,
            initial_epoch=done,
            shuffle=False,
            verbose=0,
            callbacks=[*callbacks, scores, *loggers, progress, state],
        )
    return state.epochs


def _from_step(model: keras.Model, train: tf.data.Dataset, step: int) -> Any:
    strategy = model.distribute_strategy
    if not isinstance(train, TrainingBatches):
        return train.repeat().skip(step)
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return distribute(strategy, train, step)
    return train.from_step(step)


def _require_parts(model: keras.Model, train: tf.data.Dataset) -> None:
    size = tf.nest.flatten(train.element_spec)[0].shape[0]
    replicas = model.distribute_strategy.num_replicas_in_sync
    if size is not None and size % replicas:
        raise ValueError(
            f"`batch_size` must be a multiple of the {replicas} replicas of the model, "
            f"so that all count the same; got batch_size={size}."
        )


def _keep_average(model: keras.Model, momentum: float) -> None:
    if not 0 < momentum < 1:
        raise ValueError(f"`ema` must be between 0 and 1; got ema={momentum}.")
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if optimizer.built and not optimizer.use_ema:
        raise ValueError("`ema` needs a new optimizer; compile the model again.")
    optimizer.use_ema, optimizer.ema_momentum = True, momentum


def _settings(model: keras.Model, steps: int) -> dict[str, Any]:
    """Returns the settings that a checkpoint and the training must share."""
    # Shapes, not paths: Keras numbers unnamed layers differently in each process.
    shapes = json.dumps([tuple(variable.shape) for variable in model.variables])
    settings = {
        "steps per epoch": steps,
        "variables": hashlib.sha256(shapes.encode()).hexdigest()[:12],
    }
    optimizer = keras.saving.serialize_keras_object(model.optimizer)
    return settings | _flatten(optimizer["config"], "optimizer")


def _flatten(config: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}.{key}"
        if key == "multipliers":
            flat[name] = list(value.values())
        elif isinstance(value, dict):
            flat |= _flatten(value, name)
        else:
            flat[name] = value
    return flat


@contextlib.contextmanager
def _synchronized(model: keras.Model) -> Iterator[None]:
    """Lets batch normalization compute its statistics over all replicas."""
    layers = [
        layer
        for layer in flatten_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        and not layer.synchronized
        and model.distribute_strategy.num_replicas_in_sync > 1
    ]
    for layer in layers:
        layer.synchronized = True
    try:
        yield
    finally:
        for layer in layers:
            layer.synchronized = False


@contextlib.contextmanager
def _skip_steps(model: keras.Model, steps: int) -> Iterator[None]:
    """Skips the steps of the first epoch that were done before an interruption.

    Keras can start at the beginning of an epoch only; its callbacks see these steps.
    """
    model.make_train_function()
    train = model.train_function
    left = steps

    def function(iterator: Any) -> Any:
        nonlocal left
        if left > 0:
            left -= model.steps_per_execution
            return model.get_metrics_result()
        return train(iterator)

    model.train_function = function
    try:
        yield
    finally:
        model.train_function = train
