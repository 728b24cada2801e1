"""Rows of an experiment's table, trained alike."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import keras

from kmlic.data import MultiLabelData
from kmlic.evaluation import linear_probe
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.load_data import load_data
from kmlic.experiments.make_backbone import make_backbone
from kmlic.experiments.training_settings import TrainingSettings
from kmlic.training import CachedFeatures

S = TypeVar("S", bound=TrainingSettings)
C = TypeVar("C", bound="CachedSettings")
Features = Mapping[int, CachedFeatures] | None  # by seed


@dataclasses.dataclass(frozen=True)
class CachedSettings(TrainingSettings):
    """Holds the settings of models that can be trained on a backbone's features."""

    cache_features: bool = False
    """Freezes the backbone and computes its features once for all rows."""
    cache_dir: Path = Path(".kmlic/features")
    """Folder of those features."""


def choose_rows(
    settings: S, table: Mapping[str, Mapping[str, Any]], default: Iterable[str]
) -> dict[str, S]:
    """Returns the settings of every row to train, by name.

    A row with the settings of an earlier one is left out, unless `rows` names it.

    Args:
        settings: of the experiment; `rows` names the rows, `ablations` selects all.
        table: row to the settings that it changes.
        default: the rows if neither `rows` nor `ablations` is set.

    Raises:
        ValueError: if the table does not have a row, naming it.

    Example:
        >>> table = {"baseline": {"epochs": 1}, "model": {}, "long": {"epochs": 90}}
        >>> rows = choose_rows(TrainingSettings(), table, ("baseline", "model"))
        >>> {name: row.epochs for name, row in rows.items()}
        {'baseline': 1, 'model': 10}
    """
    names = settings.rows or (table if settings.ablations else default)
    unknown = [name for name in names if name not in table]
    if unknown:
        raise ValueError(f"`rows` must be some of {list(table)}; got {unknown}.")
    rows: dict[str, S] = {}
    for name in names:
        row = dataclasses.replace(settings, **table[name])
        if settings.rows or row not in rows.values():
            rows[name] = row
    return rows


def cache_features(
    settings: C,
    make_extractor: Callable[[C], keras.Model] = make_backbone,
    *,
    load: Callable[[C, int], MultiLabelData] = load_data,
) -> dict[int, CachedFeatures]:
    """Computes the features of a frozen model by seed, if `cache_features` is set.

    Args:
        settings: of the experiment.
        make_extractor: returns the frozen model, from images to features.
        load: returns the splits, given settings and seed.
    """
    return {
        seed: CachedFeatures(
            make_extractor(settings),
            load(settings, seed),
            settings.cache_dir,
            mirrored=settings.augmentation != "none",
        )
        for seed in (settings.seeds if settings.cache_features else ())
    }


def load_row(
    settings: S,
    seed: int,
    features: Features = None,
    load: Callable[[S, int], MultiLabelData] = load_data,
) -> MultiLabelData:
    """Loads the images of a row, or their cached features if there are any."""
    if not features:
        return load(settings, seed)
    return features[seed].load(
        batch_size=settings.batch_size, seed=seed, augmentation=settings.augmentation
    )


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
