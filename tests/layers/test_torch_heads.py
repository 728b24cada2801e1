import numpy as np
import pytest
import tensorflow as tf

from tests.layers.heads import build_head

pytestmark = [
    pytest.mark.peer,
    # A build of PyTorch for GPUs, on a machine without one.
    pytest.mark.filterwarnings("ignore:CUDA initialization:UserWarning"),
]
SMALL = {"embedding_size": 16, "num_heads": 4, "hidden_units": 24, "dropout": 0.0}
HEADS = {
    "ClassSpecificResidualAttention": {"temperatures": (1, 2, float("inf"))},
    "MLDecoder": {**SMALL, "num_groups": 4},
    "Query2Label": SMALL,
    "wildcat": {},
    "decouplenet": {},
    "msrn": {"embedding_size": 16, "hidden_units": 24},
}
RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(3, 5, 4, 32)).astype("float32")
FACTORS = RANDOM.normal(size=(3, 7)).astype("float32")


def assert_close(found, expected):
    expected = np.asarray(expected)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", HEADS)
def test_computes_what_the_module_of_pytorch_computes(name):
    torch = pytest.importorskip("torch")
    from tests.layers.torch_heads import PEERS

    layer = build_head(name, FEATURES.shape, 7, **HEADS[name])
    peer = PEERS[name](layer)
    theirs = torch.tensor(FEATURES.transpose(0, 3, 1, 2), requires_grad=True)
    logits = peer(theirs)
    (logits * torch.tensor(FACTORS)).sum().backward()

    ours = tf.constant(FEATURES)
    with tf.GradientTape() as tape:
        tape.watch(ours)
        found = layer(ours, training=True)
        total = tf.reduce_sum(found * FACTORS)
    values = [ours, *(weight.value for weight in layer.trainable_weights)]
    gradients = tape.gradient(total, values)

    assert_close(found, logits.detach())
    assert_close(gradients[0], theirs.grad.permute(0, 2, 3, 1))
    own = sorted(float(np.square(each).sum()) for each in gradients[1:])
    peers = [parameter.grad for parameter in peer.parameters()]
    if name == "ClassSpecificResidualAttention":  # a kernel for each head
        peers = [torch.cat(peers)]
    else:  # queries, keys and values of a block in one parameter
        peers = [
            part
            for parameter, each in zip(peer.named_parameters(), peers, strict=True)
            for part in (each.chunk(3) if "in_proj" in parameter[0] else [each])
        ]
    expected = sorted(float((each**2).sum()) for each in peers)
    np.testing.assert_allclose(own, expected, rtol=1e-3, atol=1e-8 * max(expected))
