import dataclasses

import keras
import numpy as np
import pytest

from kmlic.experiments import make_backbone, parse_settings
from kmlic.training import CachedFeatures
from recipes import heads
from tests.toys import boxed_data

SMALL = heads.Settings(
    image_size=32, batch_size=2, embedding_size=8, hidden_units=8, stage=3, dropout=0.0
)


def test_the_photos_preset_trains_all_heads_on_the_same_frozen_features():
    settings = parse_settings(heads.PRESETS, ["--photos"])
    assert settings.cache_features and settings.batch_norm == "freeze"
    assert (settings.stage, settings.seeds) == (4, (0, 1, 2))
    assert list(heads.ROWS) == [row["head"] for row in heads.ROWS.values()]
    assert {"average", "max", "wildcat", "csra", "msrn"} < set(heads.ROWS)


@pytest.mark.parametrize("head", heads.ROWS)
def test_every_head_is_built_on_images_and_on_features(head, tmp_path):
    row, data = dataclasses.replace(SMALL, head=head), boxed_data()
    keras.utils.set_random_seed(0)
    model = heads.build(row, data, 0)
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 3)

    extractor = make_backbone(row, stage=3)
    features = {0: CachedFeatures(extractor, data, tmp_path)}
    part = heads.build(row, data, 0, features)
    assert part.input_shape == extractor.output_shape
    images = next(iter(data.train_in_order))[0]
    joined = features[0].join(part)
    np.testing.assert_allclose(
        joined(images), part(extractor(images)), rtol=1e-4, atol=1e-5
    )
