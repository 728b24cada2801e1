"""Metrics of trainings in TensorBoard, Weights & Biases and MLflow."""

import contextlib
import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kmlic.check_choice import check_choice

_PACKAGES = ("tensorboard", "wandb", "mlflow")


def require_log(name: str) -> None:
    """Raises an error unless a log can be written, before a training begins.

    Args:
        name: "none", "tensorboard", "wandb" or "mlflow".

    Raises:
        ValueError: for another name.
        ImportError: naming the extra that is not installed.

    Example:
        >>> require_log("none")
    """
    check_choice("log", name, "none", *_PACKAGES)
    if name == "none":
        return
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"log={name} needs {name}: pip install kmlic[{name}]"
        ) from error


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

    Each tool's own callback is used. Where a log is written is said to MLflow and
    Weights & Biases as everywhere, by MLFLOW_TRACKING_URI and WANDB_PROJECT.

    Args:
        name: "none", "tensorboard", "wandb" or "mlflow".
        title: of the training.
        folder: of the run; TensorBoard's files are written to NAME.log beside it.
        settings: recorded beside the values.

    Raises:
        ImportError: naming the extra that is not installed.

    Example:
        >>> with open_log("none", title="x", folder=Path("run"), settings={}) as log:
        ...     log.write({"mAP": 0.5})
        ...     log.callbacks
        ()
    """
    require_log(name)
    if name == "tensorboard":
        own = folder.with_name(f"{folder.name}.log") / title

        def write(metrics: Mapping[str, float]) -> None:
            with tf.summary.create_file_writer(str(own)).as_default():
                for key, value in metrics.items():
                    tf.summary.scalar(key, value, step=0)

        yield Log([keras.callbacks.TensorBoard(own, write_graph=False)], write)
    elif name == "wandb":
        import wandb
        from wandb.integration.keras import WandbMetricsLogger

        with wandb.init(name=title, config=dict(settings)) as opened:
            yield Log([WandbMetricsLogger()], lambda metrics: opened.log(dict(metrics)))
    elif name == "mlflow":
        import mlflow
        from mlflow.keras import MlflowCallback

        with mlflow.start_run(run_name=title) as run:
            mlflow.log_params({key: str(value) for key, value in settings.items()})
            yield Log(
                [MlflowCallback(run)], lambda metrics: mlflow.log_metrics(dict(metrics))
            )
    else:
        yield Log()
