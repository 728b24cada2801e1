import keras
import numpy as np
import pytest

from kmlic.models import build_classifier, build_decouplenet
from kmlic.training import initialise_label_maps

TARGETS = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 0], [0, 0, -1]], "int8")
SMALL = {"backbone": "small_resnet", "image_size": 32}


@pytest.mark.parametrize("pooling", ["avg", "max", "wildcat"])
def test_logits_start_near_the_log_odds_for_all_images(pooling):
    keras.utils.set_random_seed(0)
    model = build_classifier(3, pooling=pooling, **SMALL)
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3))
    before = np.ptp(model.predict(images, verbose=0), axis=0).max()
    initialise_label_maps(model, TARGETS)
    logits = model.predict(images, verbose=0)
    present = np.array([3.5, 1.5, 1.5])
    absent = np.array([1.5, 3.5, 2.5])
    np.testing.assert_allclose(logits.mean(0), np.log(present / absent), atol=0.4)
    assert np.ptp(logits, axis=0).max() < 0.5 * before


def test_random_and_zero_leave_the_model_as_it_is():
    model = build_decouplenet(3, **SMALL)
    before = [weight.copy() for weight in model.get_weights()]
    initialise_label_maps(model, TARGETS, bias="zero", kernel="random")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_centred_maps_only_use_their_own_position():
    model = build_decouplenet(3, maps_per_label=2, **SMALL)
    initialise_label_maps(model, TARGETS, kernel="centred")
    kernel = model.get_layer("space_to_depth").expand.kernel.numpy()
    assert kernel[1, 1].any()
    kernel[1, 1] = 0
    assert not kernel.any()
