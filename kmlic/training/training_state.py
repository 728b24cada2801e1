"""All that a training needs to go on from the step where it was stopped."""

import contextlib
import dataclasses
import json
import logging
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.run_folder import list_changes
from kmlic.training.multi_worker import is_chief, largest

STOPPED = 75  # sysexits.h: a temporary failure, the user is invited to retry
_KEPT = 2
_STOP = 2  # what a worker asks for after a step; 1 is to save
_TORN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)

_log = logging.getLogger(__name__)


@dataclasses.dataclass
class _Record:
    """Holds what a state is besides arrays.

    Args:
        step: training steps done, of all epochs.
        epochs: values of the epochs that are whole.
        best: file with the weights of the best of them.
        settings: of the training, as it was begun.
    """

    step: int = 0
    epochs: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best: str | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


class TrainingState(keras.callbacks.Callback):
    """Saves a training's whole state, each epoch and by time within one.

    The state is every variable of the model (weights, batch statistics, states of
    dropout), of its optimizer and of its metrics, the number of steps done and the
    values of the epochs, in one file per save. A file is flushed to the disk before it
    gets its name; the newest two are kept, so that the one before is there when the
    newest turns out to be torn. The weights of the epoch best on the validation split
    are a file of their own, and are put into the model when the training ends.

    Of several workers only the chief writes; all save, and stop, after the same step.

    Args:
        folder: of the states, on a disk that all workers share.
        steps: training steps an epoch.
        monitor: name in the logs, higher is better. Must be of a validation split.
        seconds: between two saves within an epoch, at most.
        rows: a step to the rows of its images, to name them in an error.
        best_weights: gives the weights that an epoch was scored with; None for those of
            its last step.

    Raises:
        RuntimeError: if the loss or a weight is not finite, after which the last state
            saved still is.
        SystemExit: with code 75, if `stop` was asked for, once the step is done and the
            state saved.
    """

    def __init__(
        self,
        folder: str | Path,
        steps: int,
        *,
        monitor: str = "val_mAP",
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
        self._saved = time.monotonic()

    @property
    def epochs(self) -> list[dict[str, float]]:
        """Gives the values of the epochs that are whole."""
        return self._record.epochs

    @property
    def step(self) -> int:
        """Counts the training steps done."""
        return self._record.step

    def stop(self) -> None:
        """Asks for the training to end after the step that is running."""
        self._stop = True

    def restore(self, model: keras.Model, settings: Mapping[str, Any]) -> None:
        """Puts the newest whole state into a model that is built, if there is one.

        Args:
            model: the model, its optimizer and its metrics.
            settings: what the training depends on.

        Raises:
            ValueError: if the state is of a training with other settings, listing
                them, if every state is torn, or if the workers see different ones.
        """
        self.set_model(model)
        self._record.settings = json.loads(json.dumps(dict(settings), default=str))
        self._load_newest()
        if largest(int(largest(self.step) != self.step)):
            raise ValueError(
                f"{self.folder} must be on a disk that all workers share; step "
                f"{self.step} is the last one here, {largest(self.step)} elsewhere."
            )

    def _load_newest(self) -> None:
        states = self._states()
        for path in states:
            try:
                record, arrays = self._read(path)
                if record.best is not None:
                    _read_arrays(self.folder / record.best)
            except _TORN as error:
                _log.warning("%s is torn (%s): the state before is taken", path, error)
                continue
            _require_same(record.settings, self._record.settings, path)
            self._record = record
            count = len(self._kept_variables())
            _assign(self._kept_variables(), arrays[:count])
            if record.step > len(record.epochs) * self.steps:
                self._metrics = arrays[count:]
            return
        if states:
            raise ValueError(
                f"{self.folder} must hold a whole state of the training; all "
                f"{len(states)} are torn. Remove the folder to begin anew."
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
        wish = largest(_STOP if self._stop else int(due))
        if wish:
            self.save()
        if wish == _STOP:
            raise SystemExit(STOPPED)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append({name: float(value) for name, value in logs.items()})
        if self.best_epoch() == len(self.epochs) - 1:
            self._record.best = f"best-{len(self.epochs):06d}.npz"
            if self.best_weights is not None:
                weights = self.best_weights()
            else:
                weights = [_read(variable) for variable in self.model.variables]
            if is_chief():
                _write_arrays(self.folder / self._record.best, weights)
        self.save()
        if largest(_STOP if self._stop else 0) == _STOP:
            raise SystemExit(STOPPED)

    def on_train_end(self, logs=None):
        arrays = _read_arrays(self.folder / str(self._record.best))
        _assign(self.model.variables, arrays)

    def best_epoch(self) -> int:
        """Gives the index of the epoch with the highest value, the first of equals."""
        values = [logs[self.monitor] for logs in self.epochs]
        return values.index(max(values))

    def save(self) -> None:
        """Writes the state of this step and removes all but the newest two."""
        variables = [*self._kept_variables(), *self.model.metrics_variables]
        arrays = [_read(variable) for variable in variables]
        for variable, array in zip(variables, arrays, strict=True):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                self._fail(f"a value of {variable.path} that is not")
        self._saved = time.monotonic()
        if not is_chief():
            return
        record = json.dumps(dataclasses.asdict(self._record)).encode()
        path = self.folder / f"step-{self.step:09d}.npz"
        _write_arrays(path, [np.frombuffer(record, np.uint8), *arrays])
        self._remove_old()

    def _kept_variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def _states(self) -> list[Path]:
        found = self.folder.glob("step-*.npz")
        return sorted(found, key=lambda path: path.name, reverse=True)

    def _read(self, path: Path) -> tuple[_Record, list[np.ndarray]]:
        record, *arrays = _read_arrays(path)
        return _Record(**json.loads(record.tobytes())), arrays

    def _remove_old(self) -> None:
        kept = self._states()[:_KEPT]
        best = {self._record.best}
        for path in kept[1:]:
            with contextlib.suppress(*_TORN):
                best.add(_read_record(path).best)
        for path in self.folder.iterdir():
            state = path.name.startswith("step-") and path not in kept
            weights = path.name.startswith("best-") and path.name not in best
            # What a process that was killed had begun to write.
            partial = re.fullmatch(r"\..*\.partial\.npz", path.name)
            if state or weights or partial:
                path.unlink(missing_ok=True)

    def _fail(self, found: str) -> None:
        states = self._states()
        last = f"{states[0]} is the last good state" if states else "no state was saved"
        epoch, place = divmod(self.step - 1, self.steps)
        images = ""
        if self.rows is not None:
            images = f", training images {self.rows(self.step - 1).tolist()}"
        raise RuntimeError(
            f"The loss and the weights must be finite; got {found} after batch "
            f"{place + 1} of {self.steps} of epoch {epoch + 1}{images}; {last}."
        )


def _require_same(
    theirs: Mapping[str, Any], mine: Mapping[str, Any], path: Path
) -> None:
    if changed := list_changes(theirs, mine):
        raise ValueError(
            f"{path} is of a training with other settings ({changed}). Go on with its "
            "settings, or remove its folder to begin anew."
        )


def _read(variable: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)


def _assign(variables: list[keras.Variable], arrays: list[np.ndarray]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _write_arrays(path: Path, arrays: list[np.ndarray]) -> None:
    with atomic_write(path) as temporary:
        np.savez(temporary, *arrays)


def _read_arrays(path: Path) -> list[np.ndarray]:
    # Opened here: NumPy leaves a file open that turns out to be torn.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return [arrays[f"arr_{index}"] for index in range(len(arrays.files))]


def _read_record(path: Path) -> _Record:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return _Record(**json.loads(arrays["arr_0"].tobytes()))
