import dataclasses
import hashlib

import huggingface_hub
import pytest

from kmlic.backbones import imagenet
from kmlic.backbones.build_backbone import NETWORKS
from kmlic.backbones.imagenet import CHECKPOINTS, download_imagenet_weights


@pytest.fixture
def hub_file(tmp_path, monkeypatch):
    """The file that the Hub would give, without a network."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: str(path))
    return path


def test_every_network_but_the_small_ones_has_weights():
    small = {"small_cnn", "small_resnest", "small_resnet"}
    assert set(NETWORKS) - set(CHECKPOINTS) == small


def test_gives_the_file_and_says_that_it_is_not_pinned(hub_file, caplog):
    assert download_imagenet_weights("resnet50") == hub_file
    assert hashlib.sha256(b"weights").hexdigest() in caplog.text


def test_refuses_another_file_than_the_pinned_one(hub_file, monkeypatch):
    pinned = dataclasses.replace(CHECKPOINTS["resnet50"], sha256="0" * 64)
    monkeypatch.setitem(imagenet.CHECKPOINTS, "resnet50", pinned)
    with pytest.raises(ValueError, match=r"must have sha256 0{64}; got 9a1"):
        download_imagenet_weights("resnet50")


def test_says_what_to_do_without_a_network(monkeypatch):
    def fail(*_, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(ConnectionError, match=r"timm/resnet50\.tv_in1k.*pass the path"):
        download_imagenet_weights("resnet50")


def test_says_which_networks_have_none():
    with pytest.raises(ValueError, match=r"'small_resnet'.*resnest50d"):
        download_imagenet_weights("small_resnet")
