import pytest

from kmlic.experiments import ZeroShotSettings


def test_refuses_vectors_without_dimensions():
    assert ZeroShotSettings(dimensions=8).dimensions == 8
    with pytest.raises(ValueError, match="dimensions=0"):
        ZeroShotSettings(dimensions=0)
