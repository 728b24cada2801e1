"""Checkpoints from which a training resumes at the step where it stopped."""

import contextlib
import dataclasses
import json
import logging
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.on_sigterm import STOPPED
from kmlic.run_folder import list_changes, nan_to_none, none_to_nan
from kmlic.training.multi_worker import all_reduce_max, is_chief

_KEPT = 2
_STOP = 2  # what a worker requests after a step; 1 is to save
_CORRUPT = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)

_log = logging.getLogger(__name__)


@dataclasses.dataclass
class _Record:
    """Holds the part of a checkpoint that is not arrays.

    Args:
        step: number of training steps done in all epochs.
        epochs: values of the complete epochs.
        best: name of the file with the weights of the best epoch.
        settings: settings with which the training was started.
    """

    step: int = 0
    epochs: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best: str | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


class TrainingState(keras.callbacks.Callback):
    """Saves the complete state of a training after each epoch and within epochs.

    A checkpoint is one file with every variable of the model (weights, batch
    statistics, states of dropout), of its optimizer and of its metrics, the number of
    steps done and the values of the epochs. It is flushed to the disk before it gets
    its name. The newest two are kept, so that the previous one can be used if the
    newest is corrupt. The weights of the epoch best on the validation split are kept in
    a separate file and are restored when the training ends.

    With several workers only the chief writes; all save, and stop, after the same step.

    `keras.callbacks.BackupAndRestore` is not used: it resumes at the start of an epoch
    only, keeps neither the values of the epochs nor the best weights, does not compare
    settings, overwrites its file in place and deletes it when the training ends.

    Args:
        folder: folder of the checkpoints, on a disk that all workers share.
        steps: training steps per epoch.
        monitor: name of a value of the validation split in the logs; higher is better.
            Where it is NaN in every epoch, the lowest val_loss is best. None for the
            last epoch, whatever its values.
        seconds: longest time between two checkpoints within an epoch.
        rows: function of a step that returns the rows of its images, which are named in
            errors.
        best_weights: function that returns the weights that an epoch was scored with;
            None for those of its last step.

    Raises:
        RuntimeError: if the loss or a weight is not finite; the last checkpoint is
            from before.
        SystemExit: with status 143, after `stop`, when the step is done and saved.
    """

    def __init__(
        self,
        folder: str | Path,
        steps: int,
        *,
        monitor: str | None = "val_mAP",
        seconds: float = 300.0,
        rows: Callable[[int], np.ndarray] | None = None,
        best_weights: Callable[[], list[np.ndarray]] | None = None,
    ):
        super().__init__()
        self.folder = Path(folder)
        self.steps = steps
        self.monitor = monitor
        self.seconds = seconds
        self.rows = rows
        self.best_weights = best_weights
        self._record = _Record()
        self._metrics: list[np.ndarray] = []
        self._stop = False
        self._warned = False
        self._saved = time.monotonic()

    @property
    def epochs(self) -> list[dict[str, float]]:
        """Returns the values of the complete epochs."""
        return self._record.epochs

    @property
    def step(self) -> int:
        """Returns the number of training steps done."""
        return self._record.step

    def stop(self) -> None:
        """Requests the training to stop after the current step."""
        self._stop = True

    def restore(self, model: keras.Model, settings: Mapping[str, Any]) -> None:
        """Restores the newest intact checkpoint into a model, if there is one.

        Args:
            model: built, with its optimizer and its metrics.
            settings: the settings of the training.

        Raises:
            ValueError: if the checkpoint is of a training with other settings, listing
                them, if all are corrupt, or if the workers see different ones.
        """
        self.set_model(model)
        self._record.settings = json.loads(json.dumps(dict(settings), default=str))
        self._load_newest()
        newest = all_reduce_max(self.step)
        if all_reduce_max(int(newest != self.step)):
            raise ValueError(
                f"{self.folder} must be on a disk that all workers share; the last "
                f"step is {self.step} here and {newest} elsewhere."
            )

    def _load_newest(self) -> None:
        states = self._states()
        for path in states:
            try:
                header, *arrays = _read_arrays(path)
                record = _to_record(header)
                if record.best is not None:
                    _read_arrays(self.folder / record.best)
            except _CORRUPT as error:
                _log.warning(
                    "%s is corrupt (%s); using the previous checkpoint", path, error
                )
                continue
            if changed := list_changes(record.settings, self._record.settings):
                raise ValueError(
                    f"{path} is of a training with other settings ({changed}). Resume "
                    "with its settings, or remove its folder to start again."
                )
            self._record = record
            count = len(self._kept_variables())
            _assign(self._kept_variables(), arrays[:count])
            if record.step > len(record.epochs) * self.steps:
                self._metrics = arrays[count:]
            return
        if states:
            raise ValueError(
                f"{self.folder} must hold an intact checkpoint; all {len(states)} are "
                "corrupt. Remove the folder to start again."
            )

    def on_train_begin(self, logs=None):
        self._saved = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        if self._metrics:
            _assign(self.model.metrics_variables, self._metrics)
            self._metrics = []

    def on_train_batch_end(self, batch, logs=None):
        step = len(self.epochs) * self.steps + batch + 1
        if step <= self.step:
            return  # done before an interruption
        self._record.step = step
        loss = float((logs or {}).get("loss", 0.0))
        if not np.isfinite(loss):
            self._fail(f"loss={loss}")
        due = time.monotonic() - self._saved >= self.seconds
        request = all_reduce_max(_STOP if self._stop else int(due))
        if request:
            self.save()
        if request == _STOP:
            raise SystemExit(STOPPED)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append({name: float(value) for name, value in logs.items()})
        undefined = self.monitor and np.isnan(self.epochs[-1][self.monitor])
        if undefined and not self._warned:
            self._warned = True
            _log.warning(
                "%s is undefined: no label can be judged on the validation split, for "
                "instance because no image there shows any. The epoch with the lowest "
                "val_loss is kept.",
                self.monitor,
            )
        if self.best_epoch() == len(self.epochs) - 1:
            self._record.best = f"best-{len(self.epochs):06d}.npz"
            weights = (self.best_weights or (lambda: _values(self.model.variables)))()
            if is_chief():
                _write_arrays(self.folder / self._record.best, weights)
        self.save()
        if all_reduce_max(_STOP if self._stop else 0) == _STOP:
            raise SystemExit(STOPPED)

    def on_train_end(self, logs=None):
        arrays = _read_arrays(self.folder / str(self._record.best))
        _assign(self.model.variables, arrays)

    def best_epoch(self) -> int:
        """Returns the index of the epoch with the highest value, the first of ties.

        Where no epoch has a value, it is the one with the lowest val_loss; the last one
        where no value is monitored.
        """
        if self.monitor is None:
            return len(self.epochs) - 1
        values = np.array([logs[self.monitor] for logs in self.epochs])
        if np.isnan(values).all():
            values = np.array([-validation_loss(logs) for logs in self.epochs])
        return int(np.argmax(np.where(np.isnan(values), -np.inf, values)))

    def save(self) -> None:
        """Writes a checkpoint of this step and removes all but the newest two."""
        variables = [*self._kept_variables(), *self.model.metrics_variables]
        arrays = _values(variables)
        for variable, array in zip(variables, arrays, strict=True):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                self._fail(f"a value of {variable.path} that is not")
        self._saved = time.monotonic()
        if not is_chief():
            return
        record = json.dumps(nan_to_none(dataclasses.asdict(self._record))).encode()
        path = self.folder / f"step-{self.step:09d}.npz"
        _write_arrays(path, [np.frombuffer(record, np.uint8), *arrays])
        self._remove_old()

    def _kept_variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _states(self) -> list[Path]:
        found = self.folder.glob("step-*.npz")
        return sorted(found, key=lambda path: path.name, reverse=True)

    def _remove_old(self) -> None:
        kept = self._states()[:_KEPT]
        best = {self._record.best}
        for path in kept[1:]:
            with contextlib.suppress(*_CORRUPT):
                best.add(_to_record(*_read_arrays(path, 1)).best)
        for path in self.folder.iterdir():
            state = path.name.startswith("step-") and path not in kept
            weights = path.name.startswith("best-") and path.name not in best
            # Left by a process that was killed while it wrote.
            partial = re.fullmatch(r"\..*\.partial\.npz", path.name)
            if state or weights or partial:
                path.unlink(missing_ok=True)

    def _fail(self, found: str) -> None:
        states = self._states()
        last = f"the last good checkpoint is {states[0] if states else 'none'}"
        epoch, batch = divmod(self.step - 1, self.steps)
        images = ""
        if self.rows is not None:
            images = f", training images {self.rows(self.step - 1).tolist()}"
        raise RuntimeError(
            f"The loss and the weights must be finite; got {found} after batch "
            f"{batch + 1} of {self.steps} of epoch {epoch + 1}{images}; {last}."
        )


def validation_loss(logs: Mapping[str, float]) -> float:
    """Returns the validation loss of an epoch, the training loss if there is none."""
    return logs["val_loss" if "val_loss" in logs else "loss"]


def _values(variables: Iterable[keras.Variable]) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def _assign(variables: list[keras.Variable], arrays: list[np.ndarray]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _write_arrays(path: Path, arrays: list[np.ndarray]) -> None:
    with atomic_write(path) as temporary:
        np.savez(temporary, *arrays)


def _read_arrays(path: Path, count: int | None = None) -> list[np.ndarray]:
    # Opened here: NumPy does not close a file that is corrupt.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return [arrays[f"arr_{index}"] for index in range(len(arrays.files))[:count]]


def _to_record(header: np.ndarray) -> _Record:
    record = _Record(**json.loads(header.tobytes()))
    record.epochs = [none_to_nan(logs) for logs in record.epochs]
    return record
