import hashlib
import os
import subprocess
import sys
import types

import huggingface_hub
import huggingface_hub.constants
import huggingface_hub.errors
import pytest

from kmlic.backbones import imagenet
from kmlic.backbones.imagenet import (
    CHECKPOINTS,
    Pin,
    download_imagenet_weights,
    find_pin,
    read_pins,
    record_pin,
)

NOW = Pin("c" * 40, hashlib.sha256(b"weights").hexdigest())
UNPINNED = "resnet101"
REPOSITORY = CHECKPOINTS[UNPINNED].repository


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """A Hub without a network: what it holds, and the revisions it was asked for."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    asked = []

    def download(*, repo_id, filename, revision):
        asked.append((repo_id, revision))
        return str(file)

    def model_info(self, repository, *, files_metadata):
        lfs = types.SimpleNamespace(sha256=NOW.sha256)
        siblings = [
            types.SimpleNamespace(rfilename="README.md", lfs=None),
            types.SimpleNamespace(rfilename="model.safetensors", lfs=lfs),
        ]
        return types.SimpleNamespace(sha=NOW.revision, siblings=siblings)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(imagenet, "require_reachable", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda **_: None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HOME", str(tmp_path / "home"))
    return types.SimpleNamespace(file=file, asked=asked)


def test_pins_are_complete():
    pins = [checkpoint.pin for checkpoint in CHECKPOINTS.values() if checkpoint.pin]
    assert [len(bytes.fromhex(pin.revision)) for pin in pins] == [20] * len(pins)
    assert [len(bytes.fromhex(pin.sha256)) for pin in pins] == [32] * len(pins)


def test_records_what_was_first_downloaded(hub, caplog):
    assert download_imagenet_weights(UNPINNED) == hub.file
    assert read_pins() == {REPOSITORY: NOW}
    assert f"revision {NOW.revision} with sha256 {NOW.sha256}" in caplog.text
    assert hub.asked == [(REPOSITORY, NOW.revision)]


def test_asks_the_hub_only_once(hub, monkeypatch, caplog):
    download_imagenet_weights(UNPINNED)
    caplog.clear()
    monkeypatch.delattr(huggingface_hub.HfApi, "model_info")
    assert download_imagenet_weights(UNPINNED) == hub.file
    assert hub.asked == [(REPOSITORY, NOW.revision)] * 2
    assert not caplog.text


def test_refuses_another_file_than_the_first(hub):
    download_imagenet_weights(UNPINNED)
    hub.file.write_bytes(b"others")
    with pytest.raises(ValueError, match=f"must have sha256 {NOW.sha256}; got "):
        download_imagenet_weights(UNPINNED)


def test_refuses_a_first_file_that_the_hub_does_not_vouch_for(hub):
    hub.file.write_bytes(b"truncat")
    with pytest.raises(ValueError, match=f"must have sha256 {NOW.sha256}; got "):
        download_imagenet_weights(UNPINNED)
    assert read_pins() == {}


def test_refuses_another_file_than_the_pinned_one(hub):
    pin = CHECKPOINTS["resnet50"].pin
    with pytest.raises(ValueError, match=rf"must have sha256 {pin.sha256}; got 9a1"):
        download_imagenet_weights("resnet50")
    assert hub.asked == [("timm/resnet50.tv_in1k", pin.revision)]
    assert read_pins() == {}


def test_records_a_pin_beside_the_others():
    record_pin(UNPINNED, NOW)
    record_pin("resnest50d", find_pin("resnest50d"))
    record_pin(UNPINNED, Pin("new", "hash"))
    assert read_pins() == {
        "timm/resnest50d.in1k": NOW,
        REPOSITORY: Pin("new", "hash"),
    }


@pytest.mark.parametrize("content", ["{", "[]", '{"timm/x": {"sha256": "0"}}'])
def test_says_which_record_is_corrupt(content):
    path = imagenet._pins_path()
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ValueError, match=r"kmlic_pins\.json must hold a revision"):
        download_imagenet_weights(UNPINNED)


def test_says_what_to_do_without_a_network(monkeypatch):
    def fail(*_, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(
        ConnectionError, match=r"timm/resnet50\.tv_in1k.*pass its path.*--weights"
    ):
        download_imagenet_weights("resnet50")


def test_says_so_too_when_the_hub_cannot_be_asked(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("whatever the HTTP library raises")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)
    with pytest.raises(
        ConnectionError, match=r"timm/resnet101.*pass its path.*--weights"
    ):
        download_imagenet_weights(UNPINNED)


def test_says_which_networks_have_none():
    with pytest.raises(ValueError, match=r"'small_resnet'.*resnest50d"):
        download_imagenet_weights("small_resnet")


# In a process of its own: the package as it is before anything has imported its parts.
CACHED = """
import dataclasses, hashlib, sys
from pathlib import Path
from unittest import mock
from kmlic.backbones import imagenet
name, cache = "resnet18", Path(sys.argv[1]) / "hub"
checkpoint = imagenet.CHECKPOINTS[name]
pin = imagenet.Pin(checkpoint.pin.revision, hashlib.sha256(b"weights").hexdigest())
imagenet.CHECKPOINTS[name] = dataclasses.replace(checkpoint, pin=pin)
def download():
    with mock.patch("socket.getaddrinfo", side_effect=OSError("no network")):
        return imagenet.download_imagenet_weights(name)
try:
    download()
except ConnectionError as error:
    print(error)
folder = cache / "models--timm--resnet18.tv_in1k/snapshots" / pin.revision
folder.mkdir(parents=True)
(folder / "model.safetensors").write_bytes(b"weights")
print(download())
"""


def test_the_real_package_finds_what_is_cached_without_a_network(tmp_path):
    environment = {**os.environ, "HF_HOME": str(tmp_path), "no_proxy": "*"}
    program = [sys.executable, "-c", CACHED, str(tmp_path)]
    shown = subprocess.check_output(program, text=True, env=environment).splitlines()
    assert "cannot be reached" in shown[0] and "--weights FILE" in shown[0]
    assert shown[1].endswith("model.safetensors")
