"""Metrics of trainings in TensorBoard, Weights & Biases and MLflow."""

import contextlib
import dataclasses
import functools
import logging
import math
import sys
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kmlic.check_choice import check_choice
from kmlic.known_names import LogName
from kmlic.require_extra import require_extra

_log = logging.getLogger(__name__)

# An attempt at a server that does not answer can take minutes, and every training of a
# command would begin with one.
_RETRY_SECONDS = 600.0
_failed_at: dict[str, float] = {}  # by the name of the log


@dataclasses.dataclass(frozen=True, eq=False)
class Log:
    """Holds what writes to an open log.

    Args:
        callbacks: those of the tool, for `keras.Model.fit`.
        write: writes metrics of no epoch: name to value.
    """

    callbacks: Sequence[keras.callbacks.Callback] = ()
    write: Callable[[Mapping[str, float]], None] = lambda metrics: None


@contextlib.contextmanager
def open_log(
    name: str, *, title: str, folder: Path, settings: Mapping[str, Any]
) -> Iterator[Log]:
    """Opens a log of one training, or of what follows from several.

    Each tool's own callback is used. The environment variables of the tools, such as
    MLFLOW_TRACKING_URI and WANDB_PROJECT, set where MLflow and Weights & Biases write.

    If a log fails, for example because its server cannot be reached, a warning says so
    once and the training continues. The log is tried again after ten minutes, and when
    the next run begins, see `retry_logs`.

    Args:
        name: "none", "tensorboard", "wandb" or "mlflow".
        title: of the training.
        folder: of the run; TensorBoard's files are written to NAME.log beside it.
        settings: recorded beside the values.

    Raises:
        ValueError: for another name.
        ImportError: naming the extra that is not installed.

    Example:
        >>> with open_log("none", title="x", folder=Path("run"), settings={}) as log:
        ...     log.write({"mAP": 0.5})
        ...     log.callbacks
        ()
    """
    check_choice("log", name, *typing.get_args(LogName))
    if name == "none":
        yield Log()
        return
    require_extra(name, name, f"log={name}")
    stack = contextlib.ExitStack()

    def enter() -> Log:
        return stack.enter_context(_OPEN[name](title, folder, settings))

    log = _guard(name, enter)() or Log()
    for callback in log.callbacks:
        for method in dir(callback):
            if method.startswith("on_"):
                setattr(callback, method, _guard(name, getattr(callback, method)))
    try:
        yield Log(log.callbacks, _guard(name, log.write))
    except BaseException:
        # It is told of the error, so that it marks the training as failed.
        _guard(name, stack.__exit__, always=True)(*sys.exc_info())
        raise
    _guard(name, stack.close, always=True)()


def retry_logs() -> None:
    """Lets logs that failed be tried again; called where a run begins."""
    _failed_at.clear()


def _guard(
    name: str, call: Callable[..., Any], *, always: bool = False
) -> Callable[..., Any]:
    """Makes errors of a log warnings; after one it is not called for a while."""

    @functools.wraps(call)
    def guarded(*arguments: Any, **options: Any) -> Any:
        failed = time.monotonic() < _failed_at.get(name, -math.inf) + _RETRY_SECONDS
        if failed and not always:
            return None
        try:
            return call(*arguments, **options)
        except Exception as error:  # each tool has errors of its own
            if not failed:
                _failed_at[name] = time.monotonic()
                reason = " ".join(str(error).split()) or type(error).__name__
                _log.warning(
                    "The training continues without sending values to %s: %s",
                    name,
                    reason,
                )
            return None

    return guarded


@contextlib.contextmanager
def _open_tensorboard(
    title: str, folder: Path, settings: Mapping[str, Any]
) -> Iterator[Log]:
    del settings
    own = folder.with_name(f"{folder.name}.log") / title

    def write(metrics: Mapping[str, float]) -> None:
        with tf.summary.create_file_writer(str(own)).as_default():
            for key, value in metrics.items():
                tf.summary.scalar(key, value, step=0)

    yield Log([keras.callbacks.TensorBoard(own, write_graph=False)], write)


@contextlib.contextmanager
def _open_wandb(title: str, folder: Path, settings: Mapping[str, Any]) -> Iterator[Log]:
    del folder
    import wandb
    from wandb.integration.keras import WandbMetricsLogger

    with wandb.init(name=title, config=dict(settings)) as opened:
        yield Log([WandbMetricsLogger()], lambda metrics: opened.log(dict(metrics)))


@contextlib.contextmanager
def _open_mlflow(
    title: str, folder: Path, settings: Mapping[str, Any]
) -> Iterator[Log]:
    del folder
    import mlflow
    from mlflow.keras import MlflowCallback

    with mlflow.start_run(run_name=title) as run:
        mlflow.log_params({key: str(value) for key, value in settings.items()})
        yield Log(
            [MlflowCallback(run)], lambda metrics: mlflow.log_metrics(dict(metrics))
        )


_OPEN = {
    "tensorboard": _open_tensorboard,
    "wandb": _open_wandb,
    "mlflow": _open_mlflow,
}
