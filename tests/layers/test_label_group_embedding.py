import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import Constant, LabelGroupEmbedding
from tests.checks import check_layer

RANDOM = np.random.default_rng(0)
WORDS = RANDOM.normal(size=(6, 20)).astype("float32")
GRAPH = np.maximum(RANDOM.uniform(size=(6, 6)) < 0.3, np.eye(6)).astype("float32")
SMALL = {"embedding_size": 8, "num_groups": 2, "label_units": 10, "graph_units": 12}


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({}, 8),
        ({"semantics": "labels", "label_units": None}, 6),
        ({"semantics": "groups", "group_loss": "norm", "link_loss_weight": 0.1}, 2),
    ],
)
def test_keeps_the_layer_contract(changes, rows):
    arguments = {**SMALL, **changes}
    check_layer(LabelGroupEmbedding, arguments, [WORDS, GRAPH], (rows, 8))


def test_embeds_labels_by_two_graph_attention_layers():
    layer = LabelGroupEmbedding(**SMALL)
    labels = np.asarray(layer(WORDS, GRAPH))[:6]
    x = WORDS @ np.asarray(layer.label_dense.kernel)
    for attention in (layer.attend_1, layer.attend_2):
        x = _attend(x, *(np.squeeze(w) for w in attention.get_weights()))
    np.testing.assert_allclose(labels, x, rtol=1e-4, atol=1e-5)


def _attend(nodes, kernel, own, other):
    """Equations 2 and 3."""
    hidden = nodes @ kernel
    scores = (hidden @ own)[:, None] + hidden @ other
    weights = np.exp(np.where(scores > 0, scores, 0.2 * scores)) * GRAPH
    x = weights / weights.sum(axis=1, keepdims=True) @ hidden + hidden
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("group_loss", ["squared", "norm"])
def test_matches_equation_6_written_in_numpy(group_loss, relu):
    layer = LabelGroupEmbedding(
        **SMALL, group_loss=group_loss, group_loss_weight=0.5, relu_before_groups=relu
    )
    outputs = np.asarray(layer(WORDS, GRAPH))
    labels, groups = outputs[:6], outputs[6:]
    (loss,) = layer.losses

    nodes = np.maximum(labels, 0) if relu else labels
    _, _, shares = layer.pool(nodes, GRAPH)
    expected = 0
    for label, share in zip(labels, np.asarray(shares), strict=True):
        squared = ((groups[share.argmax()] - label) ** 2).sum()
        expected += squared if group_loss == "squared" else np.sqrt(squared)
    np.testing.assert_allclose(loss, 0.5 * expected, rtol=1e-5)


@pytest.mark.parametrize("group_loss", ["squared", "norm"])
def test_a_label_on_its_group_has_a_finite_gradient(group_loss):
    # One label that is its own group: distance 0.
    layer = LabelGroupEmbedding(
        **{**SMALL, "num_groups": 1}, group_loss=group_loss, relu_before_groups=False
    )
    words, graph = WORDS[:1], np.ones((1, 1), "float32")
    layer.build(words.shape, graph.shape)
    layer.pool.embed = lambda nodes, adjacency: nodes
    with tf.GradientTape() as tape:
        layer(words, graph)
        (loss,) = layer.losses
    gradients = tape.gradient(
        loss, [w.value for w in layer.label_dense.trainable_weights]
    )
    assert float(loss) == 0
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_learns_without_the_loss_of_equation_6():
    layer = LabelGroupEmbedding(**SMALL, group_loss_weight=0.0)
    layer(WORDS, GRAPH)
    assert not layer.losses


def test_exports_the_embeddings_as_they_are_now():
    image = keras.Input((4,))
    words, graph = Constant(WORDS.shape), Constant(GRAPH.shape)
    words.assign(WORDS)
    graph.assign(GRAPH)
    layer = LabelGroupEmbedding(**SMALL, name="embed")
    model = keras.Model(image, layer(words(image), graph(image)))
    frozen = layer.export_layer()
    assert frozen.name == "embed"
    assert [tuple(weight.shape) for weight in frozen.weights] == [(8, 8)]
    np.testing.assert_allclose(frozen(WORDS, GRAPH), model(np.ones((1, 4))), rtol=1e-6)


def test_says_why_it_cannot_be_exported():
    symbols = [keras.Input(batch_shape=x.shape) for x in (WORDS, GRAPH)]
    layer = LabelGroupEmbedding(**SMALL)
    layer(*symbols)
    with pytest.raises(ValueError, match="'InputLayer', 'InputLayer'"):
        layer.export_layer()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_groups": 30}, "got num_groups=30 for 6 nodes"),
        ({"semantics": "both"}, "got semantics='both'"),
        ({"group_loss": "cubed"}, "got group_loss='cubed'"),
    ],
)
def test_says_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        LabelGroupEmbedding(**{**SMALL, **changes})(WORDS, GRAPH)
