import pytest

from tests.backbones.counts import check_counts, slow


@pytest.mark.parametrize(
    ("name", "trainable", "statistics"),
    [
        ("resnest14d", 10_611_688, 22_336),
        slow("resnest26d", 17_069_448, 36_736),
        slow("resnest50d", 27_483_240, 64_576),
        slow("resnest50d_4s2x40d", 30_417_592, 94_784),
        slow("resnest50d_1s4x24d", 25_677_000, 63_680),
        slow("resnest101e", 48_275_016, 130_112),
    ],
)
def test_has_as_many_parameters_as_published(name, trainable, statistics):
    check_counts(name, trainable, statistics)
