"""Features of a frozen backbone that several rows are trained on."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import keras

from kmlic.data import MultiLabelData
from kmlic.experiments.cached_settings import CachedSettings
from kmlic.experiments.load_data import load_data
from kmlic.experiments.make_backbone import make_backbone
from kmlic.experiments.training_settings import TrainingSettings
from kmlic.training import CachedFeatures

S = TypeVar("S", bound=TrainingSettings)
C = TypeVar("C", bound=CachedSettings)
Features = Mapping[int, CachedFeatures] | None  # by seed


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
