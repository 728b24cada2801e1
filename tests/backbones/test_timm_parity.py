import numpy as np
import pytest

from kmlic.backbones import build_backbone
from kmlic.backbones._build_network import IMAGENET_MEAN, IMAGENET_STD
from kmlic.backbones.imagenet import CHECKPOINTS
from kmlic.backbones.load_weights import load_weights
from kmlic.known_names import HUGGING_FACE_BACKBONES
from tests.backbones.timm_peer import import_timm

pytestmark = pytest.mark.peer
# timm has no SGE network.
NETWORKS = [each for each in HUGGING_FACE_BACKBONES if each != "sge_resnet50"]
MEAN = np.array(IMAGENET_MEAN, "float32")
STD = np.array(IMAGENET_STD, "float32")


def _create_peer(name, folder):
    """Returns timm's network with random weights, and the file timm's tools write."""
    timm = import_timm()
    import safetensors.torch
    import torch

    torch.manual_seed(0)
    peer = timm.create_model(name).eval()
    with torch.no_grad():
        for module in peer.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.2, 0.8)
                module.bias.uniform_(-0.2, 0.2)
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 1.5)
    path = folder / "model.safetensors"
    safetensors.torch.save_file(peer.state_dict(), path)
    return peer, path


def _images(height, width):
    images = np.random.default_rng(0).uniform(0, 255, (2, height, width, 3))
    return images.astype("float32")


def _to_torch(images):
    import torch

    normalised = (images / 255 - MEAN) / STD
    return torch.from_numpy(np.ascontiguousarray(normalised.transpose(0, 3, 1, 2)))


@pytest.mark.parametrize("name", NETWORKS)
def test_gives_the_logits_of_timm(name, tmp_path, record_property):
    peer, path = _create_peer(name, tmp_path)
    import torch

    model = build_backbone(name, weights=path, include_top=True)

    for size in [(128, 128), (101, 75)]:
        images = _images(*size)
        with torch.no_grad():
            expected = peer(_to_torch(images)).numpy()
        error = np.abs(model(images) - expected).max() / np.abs(expected).max()
        record_property(f"relative error at {size}", f"{error:.1e}")
        assert error < 1e-4


@pytest.mark.parametrize("name", ["seresnext50_32x4d", "resnest50d"])
def test_gives_the_gradients_of_timm(name, tmp_path, record_property):
    peer, path = _create_peer(name, tmp_path)
    import tensorflow as tf

    model = build_backbone(name, weights=path, include_top=True)
    images = _images(96, 96)
    factors = np.random.default_rng(1).normal(size=(2, 1000)).astype("float32")

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images) * factors)
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    (peer(_to_torch(images)) * torch_tensor(factors)).sum().backward()

    # The same names and layouts as for weights: a network of gradients.
    expected = build_backbone(name, include_top=True)
    state = peer.state_dict()
    for key, parameter in peer.named_parameters():
        state[key] = parameter.grad
    import safetensors.torch

    safetensors.torch.save_file(
        {key: value.contiguous() for key, value in state.items()}, path
    )
    load_weights(expected, path)
    errors = {
        weight.path: np.abs(gradient - weight.numpy()).max()
        / np.abs(weight.numpy()).max()
        for gradient, weight in zip(gradients, expected.trainable_weights, strict=True)
    }
    worst = max(errors, key=errors.get)
    record_property(f"largest relative error, of {worst}", f"{errors[worst]:.1e}")
    assert errors[worst] < 1e-4


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_knows_the_checkpoints_of_timm_and_their_pixels(name):
    timm = import_timm()
    checkpoint = CHECKPOINTS[name]
    owner, tag = checkpoint.repository.split("/")
    config = timm.models.get_pretrained_cfg(tag)
    assert config is not None
    # timm takes the weights of Caffe from its releases, not from its copies on the Hub.
    from_release = name.startswith("legacy_") and config.url
    assert from_release or config.hf_hub_id in (f"{owner}/", checkpoint.repository)
    assert (config.mean, config.std) == (IMAGENET_MEAN, IMAGENET_STD)


def torch_tensor(array):
    import torch

    return torch.from_numpy(array)


@pytest.mark.parametrize("name", ["resnet18", "resnest14d"])
def test_reads_torch_files_too(name, tmp_path):
    peer, path = _create_peer(name, tmp_path)
    import torch

    torch.save(peer.state_dict(), tmp_path / "model.pth")
    from_torch = build_backbone(name, weights=tmp_path / "model.pth")
    from_safetensors = build_backbone(name, weights=path)
    for actual, expected in zip(
        from_torch.weights, from_safetensors.weights, strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


def test_refuses_a_torch_file_that_runs_code(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"fc.weight": _Hostile()}, tmp_path / "model.pth")
    with pytest.raises(ValueError, match="no complete file of tensors"):
        build_backbone("resnet18", weights=tmp_path / "model.pth")


class _Hostile:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))
