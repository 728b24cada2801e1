import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import DiffPool
from tests.checks import check_layer
from tests.shared import shared_path

RANDOM = np.random.default_rng(0)
NODES = RANDOM.normal(size=(6, 4)).astype("float32")
GRAPH = np.maximum(RANDOM.uniform(size=(6, 6)) < 0.4, np.eye(6)).astype("float32")


@keras.saving.register_keras_serializable(package="kmlic_tests")
class Groups(DiffPool):
    """The first of the layer's outputs, for the contract of one output."""

    def call(self, nodes, adjacency):
        return super().call(nodes, adjacency)[0]


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_keeps_the_layer_contract(weight):
    arguments = {
        "num_groups": 3,
        "units": 5,
        "link_loss_weight": weight,
        "entropy_loss_weight": weight,
    }
    check_layer(Groups, arguments, [NODES, GRAPH], output_shape=(3, 5))


def test_pools_as_the_paper_s_equations_written_in_numpy():
    layer = DiffPool(num_groups=3, units=5)
    groups, links, shares = (np.asarray(x) for x in layer(NODES, GRAPH))
    np.testing.assert_allclose(shares.sum(axis=1), np.ones(6), rtol=1e-5)
    embedded = np.asarray(layer.embed(NODES, GRAPH))
    np.testing.assert_allclose(groups, shares.T @ embedded, rtol=1e-5)
    np.testing.assert_allclose(links, shares.T @ GRAPH @ shares, rtol=1e-5)


def test_gives_msrn_s_reference_output():
    with np.load(shared_path("parity/graph.npz"), allow_pickle=False) as arrays:
        layer = DiffPool(num_groups=3, units=5)
        layer.build(arrays["x"].shape, arrays["adj"].shape)
        for part, key in ((layer.embed, "embed"), (layer.assign, "assign")):
            own, other = np.split(arrays[f"dp/{key}/a"][:, None], 2)
            part.attend.set_weights([arrays[f"dp/{key}/W"][:, None], own, other])
        outputs = layer(arrays["x"], arrays["adj"])
        for output, key in zip(outputs, ("x_next", "adj_next", "S"), strict=True):
            np.testing.assert_allclose(output, arrays[f"dp/{key}"], rtol=1e-4)


def test_gives_pytorch_geometric_s_output_and_losses():
    with np.load(shared_path("parity/graph.npz"), allow_pickle=False) as arrays:
        layer = DiffPool(3, 6, link_loss_weight=1.0, entropy_loss_weight=1.0)
        layer.build(arrays["x"].shape, arrays["adj"].shape)
        # PyG is given what MSRN computes by graph attention.
        layer.embed = lambda nodes, adjacency: nodes
        layer.assign = lambda nodes, adjacency: arrays["pyg_dp/s_logits"]
        groups, links, _ = layer(arrays["x"], arrays["adj"])
        np.testing.assert_allclose(groups, arrays["pyg_dp/x"], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(links, arrays["pyg_dp/adj"], rtol=1e-4, atol=1e-6)
        link_loss, entropy_loss = layer.losses
        np.testing.assert_allclose(link_loss, arrays["pyg_dp/link_loss"], rtol=1e-4)
        np.testing.assert_allclose(entropy_loss, arrays["pyg_dp/ent_loss"], rtol=1e-4)


def test_a_perfect_fit_has_a_finite_gradient():
    layer = DiffPool(1, 5, link_loss_weight=1.0)
    with tf.GradientTape() as tape:
        layer(NODES, np.ones((6, 6), "float32"))  # one group, all linked: A = S S^T
        (loss,) = layer.losses
    gradients = tape.gradient(loss, [w.value for w in layer.assign.weights])
    assert abs(float(loss)) < 1e-6
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_says_that_there_are_too_many_groups():
    with pytest.raises(ValueError, match="got num_groups=7 for 6 nodes"):
        DiffPool(num_groups=7, units=5)(NODES, GRAPH)
