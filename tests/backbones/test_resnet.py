import numpy as np
import pytest

from kmlic.backbones import build_backbone
from tests.backbones.counts import check_counts, slow

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


@pytest.mark.parametrize(
    ("name", "trainable", "statistics"),
    [
        ("resnet18", 11_689_512, 9_600),
        ("resnet50", 25_557_032, 53_120),
        slow("resnet101", 44_549_160, 105_344),
        slow("sge_resnet50", 25_559_080, 53_120),
    ],
)
def test_has_as_many_parameters_as_published(name, trainable, statistics):
    check_counts(name, trainable, statistics)


def test_normalises_pixels_inside():
    backbone = build_backbone("resnet18", image_size=64)
    normalised = backbone.get_layer("normalise")(IMAGES)
    expected = (IMAGES / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(normalised, expected, rtol=1e-4, atol=1e-5)


def test_small_resnet_is_small():
    assert build_backbone("small_resnet").count_params() < 3_000_000
