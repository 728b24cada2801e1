"""Rows of an experiment's table, trained alike."""

import functools
from collections.abc import Callable, Mapping
from typing import TypeVar

import keras

from kmlic.data import MultiLabelData
from kmlic.experiments.cache_features import Features, load_row
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.load_data import load_data
from kmlic.experiments.training_settings import TrainingSettings

S = TypeVar("S", bound=TrainingSettings)


def train_rows(
    experiment: Experiment[S],
    rows: Mapping[str, S],
    build: Callable[[S, MultiLabelData, int], keras.Model],
    *,
    features: Features = None,
    load: Callable[[S, int], MultiLabelData] = load_data,
) -> None:
    """Trains every row of a table with every seed.

    Args:
        experiment: trains and keeps the models.
        rows: name to settings.
        build: returns the compiled model, given a row's settings, its data and a seed.
        features: seed to features that rows are trained on instead of images; `build`
            then returns the part of the model above them.
        load: returns the splits, given a row's settings and a seed.
    """
    settings = experiment.settings
    experiment.num_trainings += len(settings.seeds) * len(rows)
    for seed in settings.seeds:
        for name, row in rows.items():
            join = features[seed].join if features else None
            data = load_row(row, seed, features, load)
            own = functools.partial(build, row, data, seed)
            experiment.train(name, seed, own, data, settings=row, join=join)
