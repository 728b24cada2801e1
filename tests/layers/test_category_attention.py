import numpy as np
import pytest

from kmlic.layers import CategoryAttention
from tests.checks import check_layer

RANDOM = np.random.default_rng(0)
MAPS = RANDOM.normal(size=(2, 5, 4, 12)).astype("float32")


@pytest.mark.parametrize("pool_maps", ["avg", "max", None])
def test_keeps_the_layer_contract(pool_maps):
    arguments = {"num_labels": 3, "pool_maps": pool_maps}
    check_layer(CategoryAttention, arguments, [MAPS], output_shape=(2, 1, 1, 3))


@pytest.mark.parametrize("pool_maps", ["avg", "max", None])
def test_matches_the_paper_written_in_numpy(pool_maps):
    layer = CategoryAttention(3, pool_maps=pool_maps)
    layer(MAPS)
    gamma, beta, mean = RANDOM.normal(size=(3, 3))
    variance = RANDOM.uniform(0.5, 2, 3)
    layer.normalise.set_weights([gamma, beta, mean, variance])

    x = MAPS
    if pool_maps:
        by_label = MAPS.reshape(2, 5, 4, 3, 4)
        x = by_label.mean(axis=-1) if pool_maps == "avg" else by_label.max(axis=-1)
    x = x @ layer.relate.kernel.numpy()[0, 0]
    x = (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    expected = 1 / (1 + np.exp(-x.max(axis=(1, 2))))
    np.testing.assert_allclose(layer(MAPS)[:, 0, 0], expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [(2, 1, 1, 12), (2, 1, 6, 12)])
def test_takes_maps_of_any_size(shape):
    assert CategoryAttention(3, pool_maps="avg")(np.ones(shape)).shape == (2, 1, 1, 3)


def test_weighs_one_label():
    gates = CategoryAttention(1, pool_maps="max")(MAPS)
    assert gates.shape == (2, 1, 1, 1)
    assert ((gates > 0) & (gates < 1)).numpy().all()


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="num_labels=0"):
        CategoryAttention(0)
    with pytest.raises(ValueError, match="pool_maps='sum'"):
        CategoryAttention(3, pool_maps="sum")
    with pytest.raises(ValueError, match=r"got 12 channels .* num_labels=5"):
        CategoryAttention(5, pool_maps="avg")(MAPS)
