import dataclasses

import keras
import numpy as np

from kmlic.experiments import CachedSettings, cache_features, load_row
from tests.toys import toy_data, toy_settings


def load(settings, seed):
    return toy_data()


def backbone(settings):
    images = keras.Input((8, 8, 3), name="images")
    return keras.Model(images, keras.layers.Rescaling(1 / 255)(images))


def test_features_are_computed_for_every_seed_if_they_are_to_be_cached(tmp_path):
    plain = CachedSettings(
        **dataclasses.asdict(toy_settings(tmp_path / "run")),
        cache_dir=tmp_path / "features",
    )
    assert cache_features(plain, backbone, load=load) == {}
    settings = dataclasses.replace(plain, cache_features=True, batch_size=8)
    features = cache_features(settings, backbone, load=load)
    assert sorted(features) == [0, 1]
    row = load_row(settings, 1, features, load)
    assert row.source is not None
    maps, _ = next(iter(row.test))
    assert np.asarray(maps).max() <= 1


def test_a_row_is_loaded_as_images_or_features(tmp_path):
    settings = toy_settings(tmp_path / "run")
    assert load_row(settings, 0, load=load).source is None
    images, _ = next(iter(load_row(settings, 0, load=load).test))
    assert np.asarray(images).shape[1:] == (8, 8, 3)
