"""MSRN beside the module of PyTorch that the benchmark times."""

import numpy as np
import pytest
import tensorflow as tf

from kmlic.models import build_msrn

pytestmark = [
    pytest.mark.peer,
    # A build of PyTorch for GPUs, on a machine without one.
    pytest.mark.filterwarnings("ignore:CUDA initialization:UserWarning"),
]
RANDOM = np.random.default_rng(0)
WORDS = RANDOM.normal(size=(7, 20)).astype("float32")
GRAPH = np.maximum(RANDOM.uniform(size=(7, 7)) < 0.3, np.eye(7)).astype("float32")
IMAGES = RANDOM.uniform(0, 255, size=(2, 64, 64, 3)).astype("float32")
FACTORS = RANDOM.normal(size=(2, 7)).astype("float32")


def assert_close(found, expected):
    expected = np.asarray(expected)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_computes_what_the_module_of_pytorch_computes():
    torch = pytest.importorskip("torch")
    from tests.models.torch_msrn import Msrn, copy_weights

    sizes = {"embedding_size": 16, "num_groups": 3, "hidden_units": 24}
    model = build_msrn(WORDS, GRAPH, backbone="small_resnet", image_size=64, **sizes)
    maps = model.get_layer("small_resnet")(IMAGES)[-3:]
    peer = Msrn(WORDS, GRAPH, [each.shape[-1] for each in maps], 16, 3, 24)
    copy_weights(model, peer)
    theirs = [torch.tensor(each.numpy().transpose(0, 3, 1, 2)) for each in maps]
    logits, penalty = peer(theirs)
    ((logits * torch.tensor(FACTORS)).sum() + 1e-3 * penalty).backward()

    hidden = model.get_layer("hidden").kernel.value
    words = model.get_layer("label_group_embedding").label_dense.kernel.value
    with tf.GradientTape() as tape:
        found = model(IMAGES, training=False)
        total = tf.reduce_sum(found * FACTORS) + sum(model.losses)
    gradients = tape.gradient(total, [hidden, words])

    assert_close(found, logits.detach())
    assert_close(gradients[0], peer.hidden.weight.grad.T)
    assert_close(gradients[1], peer.label_dense.weight.grad.T)
