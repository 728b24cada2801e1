import keras
import numpy as np
import pytest

from kmlic.layers import GraphAttention
from tests.checks import check_layer
from tests.shared import shared_path

RANDOM = np.random.default_rng(0)
NODES = RANDOM.normal(size=(6, 4)).astype("float32")
GRAPH = (RANDOM.uniform(size=(6, 6)) < 0.4).astype("float32")
MSRN = {
    "residual": True,
    "use_bias": False,
    "add_self_loops": False,
    "activation": "elu",
}


@pytest.mark.parametrize("arguments", [{}, MSRN, {"num_heads": 2, "dropout": 0.1}])
def test_keeps_the_layer_contract(arguments):
    shape = (6, 5 * arguments.get("num_heads", 1))
    check_layer(GraphAttention, {"units": 5, **arguments}, [NODES, GRAPH], shape)


def test_matches_msrn_s_equations_2_and_3_written_in_numpy():
    layer = GraphAttention(5, **MSRN)
    graph = np.maximum(GRAPH, np.eye(6))
    outputs = layer(NODES, graph)

    kernel, own, other = (np.squeeze(w) for w in layer.get_weights())
    hidden = NODES @ kernel
    expected = []
    for i in range(6):
        neighbours = [j for j in range(6) if graph[i, j] > 0]
        scores = np.array([hidden[i] @ own + hidden[j] @ other for j in neighbours])
        weights = np.exp(np.where(scores > 0, scores, 0.2 * scores))
        weights /= weights.sum()
        x = hidden[i] + sum(
            w * hidden[j] for w, j in zip(weights, neighbours, strict=True)
        )
        expected.append(np.where(x > 0, x, np.exp(x) - 1))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_gives_msrn_s_reference_output():
    with np.load(shared_path("parity/graph.npz"), allow_pickle=False) as arrays:
        layer = GraphAttention(5, **MSRN)
        layer.build(arrays["x"].shape, arrays["adj"].shape)
        own, other = np.split(arrays["gat/a"][:, None], 2)
        layer.attend.set_weights([arrays["gat/W"][:, None], own, other])
        outputs = layer(arrays["x"], arrays["adj"])
        np.testing.assert_allclose(outputs, arrays["gat/y"], rtol=1e-4, atol=1e-6)


def test_gives_pytorch_geometric_s_output():
    with np.load(shared_path("parity/graph.npz"), allow_pickle=False) as arrays:
        layer = GraphAttention(5, num_heads=2)
        layer.build(arrays["x"].shape, arrays["adj"].shape)
        kernel = arrays["pyg_gat/w/lin.weight"].T.reshape(6, 2, 5)
        own, other = (
            arrays[f"pyg_gat/w/att_{end}"][0, 0].T[..., None] for end in ("dst", "src")
        )
        layer.attend.set_weights([kernel, own, other])
        layer.bias.assign(arrays["pyg_gat/w/bias"])
        outputs = layer(arrays["x"], arrays["adj"])
        np.testing.assert_allclose(outputs, arrays["pyg_gat/y"], rtol=1e-4, atol=1e-6)


def test_takes_the_adjacency_as_a_mask_only():
    layer = GraphAttention(5)
    np.testing.assert_allclose(layer(NODES, 0.01 * GRAPH), layer(NODES, GRAPH))


def test_ignores_nodes_that_are_not_neighbours():
    layer = GraphAttention(5)
    graph = GRAPH.copy()
    graph[0, 3] = 0
    changed = NODES.copy()
    changed[3] += 1
    np.testing.assert_allclose(layer(changed, graph)[0], layer(NODES, graph)[0])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_node_without_neighbours_receives_nothing(policy):
    layer = GraphAttention(5, add_self_loops=False, dtype=keras.DTypePolicy(policy))
    outputs = layer(100 * NODES, np.zeros((6, 6), "float32"))
    np.testing.assert_array_equal(keras.ops.cast(outputs, "float32"), np.zeros((6, 5)))


def test_computes_in_float32_under_mixed_precision():
    exact = GraphAttention(5)
    outputs = exact(NODES, GRAPH)
    mixed = GraphAttention(5, dtype=keras.DTypePolicy("mixed_bfloat16"))
    mixed.build(NODES.shape, GRAPH.shape)
    mixed.set_weights(exact.get_weights())
    expected = keras.ops.cast(outputs, "bfloat16")
    assert keras.ops.all(mixed(NODES, GRAPH) == expected)


def test_loads_without_self_loops_as_it_was_saved(tmp_path):
    symbols = [keras.Input(batch_shape=x.shape) for x in (NODES, GRAPH)]
    layer = GraphAttention(5, add_self_loops=False, name="attend")
    keras.Model(symbols, layer(*symbols)).save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras").get_layer("attend")
    assert copy.add_self_loops is False
    assert copy.attend.add_self_loops is False


def test_initialises_the_kernel_as_a_matrix():
    layer = GraphAttention(300)
    layer.build((20, 256), (20, 20))
    limit = np.sqrt(6 / (256 + 300))
    assert 0.99 * limit < np.abs(layer.attend.kernel).max() <= limit


def test_says_which_number_is_too_small():
    with pytest.raises(ValueError, match="got num_heads=0"):
        GraphAttention(5, num_heads=0)
