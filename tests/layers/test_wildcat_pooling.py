import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers.wildcat_pooling import WildcatPooling
from tests.checks import check_layer
from tests.shared import shared_path

MAPS = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype("float32")


def test_keeps_the_layer_contract():
    check_layer(WildcatPooling, {"kmax": 0.3, "kmin": 2}, [MAPS], output_shape=(2, 3))


def test_matches_the_paper_written_in_numpy():
    outputs = WildcatPooling(kmax=0.2, kmin=3, alpha=0.7)(MAPS)

    values = np.sort(MAPS.reshape(2, 20, 3), axis=1)
    highest, lowest = values[:, -4:].mean(axis=1), values[:, :3].mean(axis=1)
    np.testing.assert_allclose(outputs, (highest + 0.7 * lowest) / 2, rtol=1e-5)


@pytest.mark.parametrize("case", range(8))
def test_matches_the_authors_code(case):
    arrays = np.load(shared_path("parity/wildcat.npz"))
    kmax, kmin, alpha = arrays[f"case{case}/cfg"]
    maps = tf.constant(arrays["x"].transpose(0, 2, 3, 1))
    layer = WildcatPooling(float(kmax), float(kmin), float(alpha))

    with tf.GradientTape() as tape:
        tape.watch(maps)
        outputs = layer(maps)
    gradient = tape.gradient(outputs, maps, arrays["gy"])

    expected = arrays[f"case{case}/y"]
    np.testing.assert_allclose(outputs, expected, atol=1e-4 * np.abs(expected).max())
    expected = arrays[f"case{case}/gx"].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(gradient, expected, atol=1e-4 * np.abs(expected).max())


def test_averages_one_value_where_the_share_rounds_to_none():
    outputs = WildcatPooling(kmax=0.2, kmin=0)(MAPS[:, :2, :1])
    np.testing.assert_allclose(outputs, MAPS[:, :2, :1].max(axis=(1, 2)))


def test_says_that_it_needs_the_size():
    with pytest.raises(ValueError, match=r"\(None, None, 4, 3\)"):
        WildcatPooling()(keras.Input((None, 4, 3)))


@pytest.mark.parametrize("kmax", [20, 1000, 0.999])
def test_more_values_than_there_are_means_all(kmax):
    outputs = WildcatPooling(kmax=kmax, kmin=0)(MAPS)
    np.testing.assert_allclose(outputs, MAPS.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kmax", [1, 1.0])
def test_one_is_one_value_and_not_all(kmax):
    outputs = WildcatPooling(kmax=kmax, alpha=0)(MAPS)
    np.testing.assert_allclose(outputs, MAPS.max(axis=(1, 2)))


@pytest.mark.parametrize("halve", [True, False])
def test_halves_where_lowest_values_count(halve):
    both = MAPS.max(axis=(1, 2)) + 0.5 * MAPS.min(axis=(1, 2))
    outputs = WildcatPooling(1, 1, alpha=0.5, halve=halve)(MAPS)
    np.testing.assert_allclose(outputs, both / 2 if halve else both, rtol=1e-5)
    alone = WildcatPooling(1, 0, alpha=0.5, halve=halve)(MAPS)
    np.testing.assert_allclose(alone, MAPS.max(axis=(1, 2)))


def test_pools_a_map_of_one_value():
    outputs = WildcatPooling(kmax=5, kmin=0.2, alpha=0.5)(MAPS[:, :1, :1])
    np.testing.assert_allclose(outputs, 0.75 * MAPS[:, 0, 0], rtol=1e-5)


@pytest.mark.parametrize(("kmax", "sizes"), [(0.2, [4, 4]), (20, [])])
def test_never_sorts_a_whole_map(kmax, sizes):
    layer = WildcatPooling(kmax)
    graph = tf.function(layer).get_concrete_function(tf.constant(MAPS)).graph
    operators = graph.get_operations()
    counts = [
        int(tf.get_static_value(operator.inputs[1]))
        for operator in operators
        if operator.type == "TopKV2"
    ]
    assert counts == sizes
    assert not any("Sort" in operator.type for operator in operators)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kmax": 0}, "kmax=0"),
        ({"kmax": -1}, "kmax=-1"),
        ({"kmax": 1.5}, "a share below 1 or a whole number; got kmax=1.5"),
        ({"kmax": float("nan")}, "kmax=nan"),
        ({"kmax": float("inf")}, "kmax=inf"),
        ({"kmin": -0.2}, "kmin=-0.2"),
    ],
)
def test_says_which_count_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        WildcatPooling(**arguments)
