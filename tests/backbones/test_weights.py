import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from kmlic.backbones import build_backbone, weights
from kmlic.backbones.imagenet import Pin
from kmlic.backbones.load_weights import _name


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A safetensors file of resnet18 with names and layouts of timm."""
    model = build_backbone("resnet18", include_top=True)
    state = {}
    for weight in model.weights:
        value = weight.numpy()
        axes = (3, 2, 0, 1) if value.ndim == 4 else tuple(range(value.ndim))[::-1]
        state[_name(weight)] = np.ascontiguousarray(value.transpose(axes))
    path = tmp_path_factory.mktemp("timm") / "model.safetensors"
    safetensors.numpy.save_file(state, path)
    return model, path


def test_converts_a_checkpoint_that_then_loads(checkpoint, tmp_path):
    model, source = checkpoint
    target = tmp_path / "resnet18.weights.h5"

    weights.convert("resnet18", source, target)

    converted = build_backbone("resnet18", weights=target)
    for actual, expected in zip(converted.weights, model.weights, strict=False):
        np.testing.assert_array_equal(actual, expected)


def test_says_how_the_target_must_end(tmp_path):
    with pytest.raises(ValueError, match=r"\.weights\.h5; got target=.*model\.h5"):
        weights.convert("resnet18", tmp_path / "a.safetensors", tmp_path / "model.h5")


def test_takes_what_the_hub_has_now_as_the_pin(monkeypatch, caplog):
    caplog.set_level("INFO")
    pin, recorded = Pin("commit", "hash"), {}
    monkeypatch.setattr(weights, "find_pin", lambda name: pin)
    monkeypatch.setattr(weights, "record_pin", recorded.__setitem__)
    weights.pin("resnet101")
    assert f"resnet101: {pin}" in caplog.text
    assert recorded == {"resnet101": pin}


def test_keeps_to_the_pins_of_kmlic(monkeypatch, caplog):
    caplog.set_level("INFO")
    recorded = {}
    monkeypatch.setattr(weights, "find_pin", lambda name: Pin("commit", "hash"))
    monkeypatch.setattr(weights, "record_pin", recorded.__setitem__)
    weights.pin("resnet50")
    assert "kmlic pins Pin(revision='78f3ecf" in caplog.text
    assert not recorded


@pytest.mark.slow
def test_is_a_command(checkpoint, tmp_path):
    target = tmp_path / "resnet18.weights.h5"
    command = [sys.executable, "-m", "kmlic.backbones.weights", "convert"]
    arguments = ["--name", "resnet18", "--source", checkpoint[1], "--target", target]
    run = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert f"Wrote {target}" in run.stderr
    assert target.exists()
