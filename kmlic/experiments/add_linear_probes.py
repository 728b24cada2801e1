"""Logistic regression as a row of an experiment."""

from collections.abc import Callable
from typing import TypeVar

import keras

from kmlic.data import MultiLabelData
from kmlic.evaluation import linear_probe
from kmlic.experiments.cache_features import Features, load_row
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.load_data import load_data
from kmlic.experiments.make_backbone import make_backbone
from kmlic.experiments.training_settings import TrainingSettings

S = TypeVar("S", bound=TrainingSettings)


def add_linear_probes(
    experiment: Experiment[S],
    make_backbone: Callable[[S], keras.Model] = make_backbone,
    *,
    features: Features = None,
    load: Callable[[S, int], MultiLabelData] = load_data,
) -> None:
    """Adds logistic regression on the frozen backbone, if `linear_probe` is set.

    Call it after the trainings: an interrupted run does not keep its results.

    Args:
        experiment: gets a row per seed.
        make_backbone: returns the backbone, given the settings.
        features: seed to the backbone's feature maps, if they are cached.
        load: returns the splits, given settings and seed.
    """
    settings = experiment.settings
    for seed in settings.seeds if settings.linear_probe else ():
        data = load_row(settings, seed, features, load)
        if features:
            maps = keras.Input(features[seed].shapes[0])
            backbone = keras.Model(maps, maps)
        else:
            backbone = make_backbone(settings)
        scores = linear_probe(backbone, data, pooling="avg+max")
        experiment.add_scores("logistic regression", seed, scores)
