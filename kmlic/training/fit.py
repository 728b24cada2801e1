"""Trains a compiled model, in steps that survive an interruption."""

import contextlib
import hashlib
import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kmlic.data.training_batches import TrainingBatches
from kmlic.training.accumulate_gradients import accumulate_gradients
from kmlic.training.augment_on_device import augment_on_device
from kmlic.training.averaged_weights import AveragedWeights
from kmlic.training.callbacks import Metrics, TrainingProgress, ValidationScores
from kmlic.training.multi_worker import distribute
from kmlic.training.replica_losses import replica_losses
from kmlic.training.training_state import TrainingState


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
    save_seconds: float = 300.0,
    ema: float | None = None,
    accumulate: int = 1,
    augmentation: str = "none",
    seed: int = 0,
) -> list[dict[str, float]]:
    """Trains with `model.fit` and leaves the epoch best on the validation split.

    Each epoch ends with exact metrics of the validation split and with a copy of the
    whole state in `folder`; a long epoch leaves copies in between. Called again after
    an interruption, the training goes on from the last copy and ends as if there had
    been none: with the same weights, optimizer, order of images, augmentation and
    values of the epochs. On SIGTERM the step that runs is finished and saved before
    the process ends with code 75.

    Args:
        model: compiled.
        train: batches of images and targets, one epoch long. Those of kmlic.data begin
            at any step at once; others are gone through up to there, and must be the
            same each time.
        validation: batches of images and targets, in order.
        epochs: epochs in all, those before an interruption included.
        folder: where the state is kept, one per training.
        title: the model's name in the progress lines.
        metrics: the model and the validation split to values by name; None for mAP and
            loss.
        monitor: the metric by which an epoch is the best, higher is better.
        callbacks: further ones of Keras, called before the metrics are computed. One
            with a method `resume` is given the values of the epochs done before.
        save_seconds: what an interruption within an epoch costs at most, beside the
            step that runs.
        ema: momentum of the moving average of the weights, for instance 0.999, which is
            scored and kept in their place, see `AveragedWeights`; None for the weights
            themselves.
        accumulate: parts that a batch is computed in, see `accumulate_gradients`.
        augmentation: of images that come as they are, see `augment_on_device`.
        seed: of that augmentation.

    Returns:
        For each epoch its values by name: loss, learning_rate, and the metrics after
        "val_".

    Raises:
        RuntimeError: if the loss or a weight is not finite, naming the batch.
        SystemExit: with code 75, after SIGTERM.
        ValueError: if the number of batches of `train` is not known, a batch does not
            divide into the replicas, or the folder holds the state of a training with
            other settings.
    """
    steps = int(train.cardinality())
    if steps < 1:
        raise ValueError(
            f"`train` must have a known number of batches; got cardinality={steps}. "
            "Use `train.apply(tf.data.experimental.assert_cardinality(number))`."
        )
    _require_parts(model, train)
    scores: keras.callbacks.Callback = ValidationScores(validation, model.loss, metrics)
    averaged = None
    if ema is not None:
        _keep_average(model, ema)
        averaged = scores = AveragedWeights(scores, train)
    accumulate_gradients(model, accumulate)
    augment_on_device(model, augmentation, seed=seed)
    _build(model, train)
    state = TrainingState(
        folder,
        steps,
        monitor=f"val_{monitor}",
        seconds=save_seconds,
        rows=train.rows if isinstance(train, TrainingBatches) else None,
        best_weights=averaged and (lambda: averaged.weights),
    )
    changes = {"augmentation on the device": augmentation, "its seed": seed}
    state.restore(model, _settings(model, steps) | changes)
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
        _on_sigterm(state.stop),
        _synchronised(model),
        replica_losses(model),
        _without(model, state.step - done * steps),
    ):
        # One iterator for all epochs: where one ends, TensorFlow may wait up to 20 s
        # for a thread of tf.data that slept through the call to stop.
        model.fit(
            _from_step(model, train, state.step),
            steps_per_epoch=steps,
            epochs=epochs,
            initial_epoch=done,
            shuffle=False,
            verbose=0,
            callbacks=[
                *callbacks,
                scores,
                progress,
                state,
            ],
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
            f"`batch_size` must divide into the {replicas} replicas of the model, so "
            f"that all weigh the same; got batch_size={size}."
        )


def _keep_average(model: keras.Model, momentum: float) -> None:
    if not 0 < momentum < 1:
        raise ValueError(f"`ema` must be between 0 and 1; got ema={momentum}.")
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if optimizer.built and not optimizer.use_ema:
        raise ValueError("`ema` needs an optimizer that is new; compile the model.")
    optimizer.use_ema, optimizer.ema_momentum = True, momentum


def _build(model: keras.Model, train: tf.data.Dataset) -> None:
    """Makes the variables that Keras would make from the first batch."""
    strategy = model.distribute_strategy
    with strategy.scope() if strategy else contextlib.nullcontext():
        model._symbolic_build(data_batch=train.element_spec)


def _settings(model: keras.Model, steps: int) -> dict[str, Any]:
    """Gives what a state must have in common with the training that it is put into."""
    # By their shapes: Keras numbers layers without a name anew in each process.
    shapes = json.dumps([tuple(variable.shape) for variable in model.variables])
    settings = {
        "steps an epoch": steps,
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
def _on_sigterm(stop: Callable[[], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets no other thread handle signals
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _synchronised(model: keras.Model) -> Iterator[None]:
    """Lets batch normalization see whole batches, wherever their parts are."""
    layers = [
        layer
        for layer in model._flatten_layers()
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
def _without(model: keras.Model, steps: int) -> Iterator[None]:
    """Leaves out the steps of the first epoch that an interrupted training had done.

    Keras begins with whole epochs only. Its callbacks see these steps go by. Nor does
    Keras build the model from a first batch: it is built, and several workers cannot.
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
    model._maybe_symbolic_build = lambda **_: None
    try:
        yield
    finally:
        model.train_function = train
        del model._maybe_symbolic_build
