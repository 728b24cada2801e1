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


@pytest.mark.parametrize("head", ["average", "msrn"])
def test_a_head_is_trained_with_the_upper_part_of_the_backbone(head, tmp_path):
    row = dataclasses.replace(
        SMALL,
        head=head,
        cache_features=True,
        frozen_until="layer2.0.act3",
        backbone_multiplier=0.1,
    )
    data = boxed_data()
    features = {
        0: CachedFeatures(
            make_backbone(row, stage=3, until=row.frozen_until), data, tmp_path
        )
    }
    part = heads.build(row, data, 0, features)
    before = [np.asarray(weight) for weight in part.get_layer("upper").weights]
    part.fit(features[0].load(batch_size=4).train, epochs=1, verbose=0, shuffle=False)
    upper = part.get_layer("upper")
    assert any(
        np.abs(np.asarray(weight) - old).max() > 0
        for weight, old in zip(upper.weights, before, strict=True)
    )
    images = next(iter(data.train_in_order))[0]
    np.testing.assert_allclose(
        features[0].join(part)(images),
        part(features[0].extractor(images)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_frozen_part_needs_cached_features():
    settings = parse_settings(heads.PRESETS, ["--finetune"])
    assert settings.frozen_until == "block_12_add" and settings.cache_features
    with pytest.raises(ValueError, match="`frozen_until` needs `cache_features`"):
        dataclasses.replace(SMALL, frozen_until="layer2.0.act3")
