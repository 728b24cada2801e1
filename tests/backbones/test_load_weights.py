import json

import h5py
import numpy as np
import pytest
import safetensors.numpy

from kmlic.backbones import ResidualNetwork
from kmlic.backbones.load_weights import load_weights
from kmlic.layers import SpatialGroupEnhance
from tests.shared import shared_path

NETWORK = ResidualNetwork((2, 1, 1, 1), (16, 32, 48, 64))


@pytest.fixture(scope="module")
def state():
    arrays = np.load(shared_path("parity/tiny_resnet.npz"))
    return {k.removeprefix("w/"): arrays[k] for k in arrays if k.startswith("w/")}


@pytest.fixture(scope="module")
def model():
    return NETWORK.build("tiny")


def _write(state, folder):
    path = folder / "model.safetensors"
    safetensors.numpy.save_file(state, path)
    return path


def test_reads_back_what_keras_wrote(model, tmp_path):
    model.save_weights(tmp_path / "tiny.weights.h5")
    copy = NETWORK.build("tiny")
    load_weights(copy, tmp_path / "tiny.weights.h5")
    for actual, expected in zip(copy.weights, model.weights, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_lists_names_that_are_missing_or_too_many(model, state, tmp_path):
    renamed = {**state, "layer5.conv1.weight": state["conv1.weight"]}
    del renamed["bn1.bias"]
    with pytest.raises(ValueError, match=r"lacks bn1\.bias and has layer5\.conv1\.w"):
        load_weights(model, _write(renamed, tmp_path))


def test_says_which_shape_differs_and_changes_nothing(model, state, tmp_path):
    before = model.get_weights()
    changed = {**state, "layer4.0.conv3.weight": state["layer4.0.conv3.weight"][:9]}
    with pytest.raises(ValueError, match=r"\(9, 64, 1, 1\) for layer4\.0\.conv3"):
        load_weights(model, _write(changed, tmp_path))
    assert all(map(np.array_equal, before, model.get_weights()))


def test_refuses_a_truncated_file(model, state, tmp_path):
    path = _write(state, tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="no complete safetensors file"):
        load_weights(model, path)


def test_refuses_a_corrupt_header(model, state, tmp_path):
    path = _write(state, tmp_path)
    content = bytearray(path.read_bytes())
    content[20:24] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no complete safetensors file"):
        load_weights(model, path)


def test_refuses_values_that_are_no_numbers(model, state, tmp_path):
    corrupt = {**state, "bn1.weight": np.full_like(state["bn1.weight"], np.nan)}
    with pytest.raises(ValueError, match=r"corrupt: bn1\.weight"):
        load_weights(model, _write(corrupt, tmp_path))


def test_refuses_a_file_of_another_network(model, tmp_path):
    foreign = _write({"blocks.0.attn.weight": np.ones((2, 2), "float32")}, tmp_path)
    with pytest.raises(ValueError, match=r"has blocks\.0\.attn\.weight too many"):
        load_weights(model, foreign)


def test_refuses_a_keras_file_of_another_network(model, tmp_path):
    other = ResidualNetwork((1, 1, 1, 1), (16, 32, 48, 64)).build("other")
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match=r"other\.weights\.h5 does not fit"):
        load_weights(model, tmp_path / "other.weights.h5")
    (tmp_path / "empty.weights.h5").touch()
    with pytest.raises(ValueError, match=r"empty\.weights\.h5 does not fit"):
        load_weights(model, tmp_path / "empty.weights.h5")


def test_leaves_spatial_group_enhance_at_its_start(state, tmp_path):
    network = ResidualNetwork(
        (2, 1, 1, 1), (16, 32, 48, 64), attention=SpatialGroupEnhance
    )
    model = network.build("tiny")
    load_weights(model, _write(state, tmp_path))
    gate = model.get_layer("layer1.0.sge")
    np.testing.assert_array_equal(gate.scale, np.zeros((64, 1)))
    np.testing.assert_array_equal(gate.offset, np.ones((64, 1)))


def test_says_which_files_it_reads(model, tmp_path):
    (tmp_path / "model.pkl").touch()
    with pytest.raises(ValueError, match=r"\.safetensors.*model\.pkl"):
        load_weights(model, tmp_path / "model.pkl")
    with pytest.raises(FileNotFoundError, match=r"none at .*absent\.pth"):
        load_weights(model, tmp_path / "absent.pth")


def test_refuses_files_that_declare_more_than_they_hold(model, tmp_path):
    path = tmp_path / "tiny.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file.create_dataset("x", (60_000, 60_000), "float32", chunks=(1000, 1000))
    with pytest.raises(ValueError, match=r"/x declares shape \(60000, 60000\)"):
        load_weights(model, path)
    path = tmp_path / "tiny.safetensors"
    entry = {"dtype": "F32", "shape": [60_000, 60_000], "data_offsets": [0, 16]}
    header = json.dumps({"conv1.weight": entry}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with pytest.raises(ValueError, match="no complete safetensors file"):
        load_weights(model, path)


def test_refuses_a_torch_file_that_repeats_one_number(model, tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "tiny.pth"
    torch.save({"conv1.weight": torch.zeros(1).expand(60_000, 60_000)}, path)
    with pytest.raises(ValueError, match="declares more numbers than it holds"):
        load_weights(model, path)
