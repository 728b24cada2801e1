import dataclasses

import pytest

from kmlic.backbones.seresnet import SERESNETS
from tests.backbones.counts import check_counts, slow


@pytest.mark.parametrize(
    ("name", "trainable", "statistics"),
    [
        ("seresnext50_32x4d", 27_559_896, 68_224),
        slow("seresnet50", 28_088_024, 53_120),
        slow("legacy_seresnet50", 28_088_024, 53_120),
        slow("legacy_seresnext50_32x4d", 27_559_896, 68_224),
    ],
)
def test_has_as_many_parameters_as_published(name, trainable, statistics):
    check_counts(name, trainable, statistics)


def test_caffe_strides_on_the_first_convolution():
    def strides(name):
        network = dataclasses.replace(SERESNETS[name], blocks=(1, 1, 1, 1))
        model = network.build(name)
        return [model.get_layer(f"layer2.0.conv{i}").strides for i in (1, 2)]

    assert strides("seresnet50") == [(1, 1), (2, 2)]
    assert strides("legacy_seresnet50") == [(2, 2), (1, 1)]
