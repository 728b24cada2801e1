"""Logistic regression as a row of an experiment."""

from collections.abc import Callable
from typing import TypeVar

import keras
import numpy as np

from kmlic.data import MultiLabelData
from kmlic.evaluation import linear_probe
from kmlic.experiments.cache_features import Features, load_row
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.load_data import load_data
from kmlic.experiments.make_backbone import make_backbone
from kmlic.experiments.training_settings import TrainingSettings

PROBE = "logistic regression"

S = TypeVar("S", bound=TrainingSettings)


def add_linear_probes(
    experiment: Experiment[S],
    make_backbone: Callable[[S], keras.Model] = make_backbone,
    *,
    features: Features = None,
    load: Callable[[S, int], MultiLabelData] = load_data,
) -> None:
    """Adds logistic regression on the frozen backbone, if settings have it as a row.

    Call it after the trainings: an interrupted run does not keep its results. Prints
    a warning if no trained model is as good on the validation split.

    Args:
        experiment: gets a row per seed.
        make_backbone: returns the backbone, given the settings.
        features: seed to the backbone's feature maps, if they are cached.
        load: returns the splits, given settings and seed.
    """
    settings = experiment.settings
    if not settings.has_linear_probe:
        return
    for seed in settings.seeds:
        data = load_row(settings, seed, features, load)
        if features:
            maps = keras.Input(features[seed].shapes[0])
            backbone = keras.Model(maps, maps)
        else:
            backbone = make_backbone(settings)
        scores = linear_probe(backbone, data, pooling="avg+max")
        experiment.add_scores(PROBE, seed, scores)
    if set(experiment.trained) > {PROBE}:
        _warn_if_best(experiment)


def _warn_if_best(experiment: Experiment[S]) -> None:
    values = {
        name: mean.metrics.get(experiment.monitor, np.nan)
        for name, (mean, _) in experiment.compare("validation").items()
    }
    probe = values.pop(PROBE)
    best = max(values, key=lambda name: np.nan_to_num(values[name], nan=-1.0))
    if probe > values[best]:
        experiment.say(
            f"Warning: {PROBE} on the same backbone is better than every trained model "
            f"on the validation split: {experiment.monitor} {100 * probe:.1f}, "
            f"{100 * values[best]:.1f} of {best}. kmlic train starts from it and is "
            "never below it there."
        )
