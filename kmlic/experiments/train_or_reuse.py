"""A model that several runs share, trained once."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import keras

from kmlic.data import MultiLabelData
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.finish_run import finish_run
from kmlic.experiments.load_data import load_data
from kmlic.experiments.training_settings import TrainingSettings
from kmlic.labels import Labels
from kmlic.run_folder import Run, changed_settings

S = TypeVar("S", bound=TrainingSettings)


def train_or_reuse(
    name: str,
    settings: S,
    build: Callable[[S, MultiLabelData], keras.Model],
    *,
    check: Callable[[MultiLabelData], object] | None,
) -> Path:
    """Trains one model in its own run folder, unless the folder already has that run.

    Args:
        name: of the model, for messages and run.json.
        settings: of the training, with one seed.
        build: returns the compiled model.
        check: called with the data before a training, to raise early what would fail
            later; None if the folder must already have the run.

    Returns:
        The run folder.

    Raises:
        ValueError: if the folder holds a run with other settings, or `check` is None
            and it holds none with these.
    """
    (seed,) = settings.seeds
    data = load_data(settings, seed)
    mismatch = _find_mismatch(settings, data)
    if mismatch is None:
        return settings.folder
    if check is None:
        raise ValueError(
            f"{settings.folder} must hold a {name} for this run; {mismatch}"
        )
    check(data)
    experiment = Experiment(name, settings)
    experiment.say(f"Training the {name}: {mismatch}")
    experiment.train(name, seed, functools.partial(build, settings, data), data)
    # The model is exported as part of the models that contain it.
    finish_run(experiment, name, export=lambda *_: {})
    return settings.folder


def _find_mismatch(settings: TrainingSettings, data: MultiLabelData) -> str | None:
    record = settings.folder / "run.json"
    if not record.is_file():
        return f"there is no {record}."
    try:
        data.labels.require_same_names(Labels.read(record.with_name("labels.json")))
    except ValueError as error:
        return f"its labels differ: {error}"
    run = Run.read(record)
    if changes := changed_settings(run, settings.describe()):
        return f"its settings differ: {changes}."
    if data.fingerprint not in run.data["fingerprints"].values():
        return "it was trained on other images."
    return None
