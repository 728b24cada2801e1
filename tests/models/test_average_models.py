import keras
import numpy as np
import pytest

from kmlic.backbones import build_backbone, split_backbone
from kmlic.layers import CenterZoom
from kmlic.models import (
    average_models,
    build_attribute_classifier,
    build_classifier,
)
from tests.checks import check_model, check_tflite

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
GROUPS = {"sleeve": ("long", "short", "none"), "fit": ("tight", "loose")}


def _model(seed=0):
    keras.utils.set_random_seed(seed)
    return build_classifier(5, backbone="small_resnet", image_size=64)


def test_averages_the_logits_of_models_and_mirror_images():
    one, other = _model(0), _model(1)
    found = average_models([one, other], flips=True)(IMAGES)
    mirrored = IMAGES[:, :, ::-1]
    expected = [model(x) for model in (one, other) for x in (IMAGES, mirrored)]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-4, atol=1e-5)


def test_a_trunk_comes_before_all_members():
    members, trunk = [], None
    keras.utils.set_random_seed(0)
    for _ in range(2):
        lower, upper = split_backbone(
            build_backbone("small_resnet", image_size=64), "layer2.0.act3"
        )
        trunk = trunk or lower
        members.append(
            build_attribute_classifier(
                GROUPS, backbone=upper, feature="pooled", image_size=None
            )
        )
    model = average_models(members, trunk=trunk, flips=True, zooms=(1.0, 0.5))
    expected = np.mean(
        [
            member(trunk(x))
            for member, view in zip(
                members, (IMAGES, CenterZoom(0.5)(IMAGES)), strict=True
            )
            for x in (view, view[:, :, ::-1])
        ],
        axis=0,
    )
    np.testing.assert_allclose(model(IMAGES), expected, rtol=1e-4, atol=1e-5)
    check_tflite(model, IMAGES)
    check_model(model, IMAGES, 5)


def test_one_model_alone_stays_what_it_is():
    one = _model()
    np.testing.assert_allclose(average_models([one])(IMAGES), one(IMAGES), rtol=1e-5)


def test_says_which_models_do_not_fit():
    with pytest.raises(ValueError, match="at least one model"):
        average_models([])
    other = build_classifier(4, backbone="small_resnet", image_size=64)
    with pytest.raises(ValueError, match=r"\(None, 5\).*\(None, 4\)"):
        average_models([_model(), other])
    with pytest.raises(ValueError, match=r"zooms=\[0.5\] for 2"):
        average_models([_model(), _model()], zooms=[0.5])
