"""Values of epochs in TensorBoard, Weights & Biases and MLflow."""

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from kmlic.check_choice import check_choice

_PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}


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
        importlib.import_module(_PACKAGES[name])
    except ImportError as error:
        raise ImportError(
            f"log={name} needs {_PACKAGES[name]}: pip install kmlic[{name}]"
        ) from error


@contextlib.contextmanager
def log_epochs(
    name: str, *, title: str, folder: Path, settings: Mapping[str, Any]
) -> Iterator[list[keras.callbacks.Callback]]:
    """Opens a log of one training, and yields the Keras callbacks that write to it.

    Each tool's own callback is used. Where a log is written is said to MLflow and
    Weights & Biases as everywhere, by MLFLOW_TRACKING_URI and WANDB_PROJECT.

    Args:
        name: "none", "tensorboard", "wandb" or "mlflow".
        title: of the training.
        folder: below which TensorBoard's files are written.
        settings: recorded beside the values.

    Raises:
        ImportError: naming the extra that is not installed.

    Example:
        >>> with log_epochs("none", title="x", folder=Path(), settings={}) as found:
        ...     found
        []
    """
    require_log(name)
    if name == "tensorboard":
        yield [keras.callbacks.TensorBoard(folder / title, write_graph=False)]
    elif name == "wandb":
        import wandb
        from wandb.integration.keras import WandbMetricsLogger

        with wandb.init(name=title, config=dict(settings)):
            yield [WandbMetricsLogger()]
    elif name == "mlflow":
        import mlflow
        from mlflow.keras import MlflowCallback

        with mlflow.start_run(run_name=title) as run:
            mlflow.log_params({key: str(value) for key, value in settings.items()})
            yield [MlflowCallback(run)]
    else:
        yield []
