import keras
import numpy as np
import pytest

from kmlic.backbones import build_backbone
from kmlic.models.classifier import build_classifier

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


def test_wildcat_pools_the_mean_of_the_maps_of_a_label():
    keras.utils.set_random_seed(0)
    model = build_classifier(
        3,
        backbone="small_resnet",
        pooling="wildcat",
        image_size=64,
        kmax=1,
        kmin=0,
        maps_per_label=2,
    )
    maps = keras.Model(model.input, model.get_layer("label_maps").output)(IMAGES)

    expected = np.reshape(maps, (2, 4, 3, 2)).mean(axis=-1).max(axis=1)

    np.testing.assert_allclose(model(IMAGES), expected, rtol=1e-5, atol=1e-6)


def test_takes_a_backbone_of_ones_own():
    own = build_backbone("small_resnet", image_size=64)
    one_map = keras.Model(own.input, own.outputs[-1])

    for backbone in (own, one_map):
        model = build_classifier(2, backbone=backbone, image_size=64)
        assert tuple(model(IMAGES).shape) == (2, 2)


def test_says_which_poolings_there_are():
    with pytest.raises(ValueError, match="pooling='sum'"):
        build_classifier(2, backbone="small_resnet", pooling="sum", image_size=64)
