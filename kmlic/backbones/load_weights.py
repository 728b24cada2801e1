"""Loading of weights from files into networks."""

import os
import pathlib
import re
import zipfile
from collections.abc import Mapping

import h5py
import keras
import numpy as np

from kmlic.backbones.read_legacy_torch import LEGACY_HEADER, read_legacy_torch
from kmlic.declared_sizes import check_hdf5, check_zip
from kmlic.require_extra import require_extra
from kmlic.shorten_names import shorten_names

# Networks first published in Caffe keep the names of their torch version, and the
# EfficientNets the private ones of theirs (`_blocks.0._bn1`).
_RENAMED = (
    (r"^layer0\.", ""),
    (r"\.se_module\.", ".se."),
    (r"^last_linear\.", "fc."),
    (r"(^|\.)_", r"\1"),
)
_SUBLAYERS = {
    "features": "conv",
    "features_norm": "bn0",
    "squeeze": "fc1",
    "squeeze_norm": "bn1",
    "excite": "fc2",
}
_VARIABLES = {
    "kernel": "weight",
    "gamma": "weight",
    "scale": "weight",
    "bias": "bias",
    "beta": "bias",
    "offset": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_NAMES_SHOWN = 12


def load_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Loads all weights of a file into `model`, or raises an error.

    Names and shapes in checkpoints of timm and torch must match the model's. Ignored
    are batch counters, the classifier if the model has none, and the gates of spatial
    group-wise enhance, which no ImageNet checkpoint has: they keep their initial
    values.

    Args:
        model: a residual network or EfficientNet-Lite from `build_backbone`
            (`.weights.h5` files: any).
        path: of a `.weights.h5`, `.safetensors`, `.pth`, `.pt` or `.bin` file. Torch's
            files of versions before 1.6 are read without torch.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: if the library that reads it is not installed.
        ValueError: if the file is corrupt or has other weights, naming them.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`weights` must be a file; there is none at {path}.")
    if path.name.endswith(".weights.h5"):
        _load_keras(model, path)
    elif path.suffix == ".safetensors":
        _load_state_dict(model, _read_safetensors(path), path)
    elif path.suffix in (".pth", ".pt", ".bin"):
        _load_state_dict(model, _read_torch(path), path)
    else:
        raise ValueError(
            "`weights` must end in .weights.h5, .safetensors, .pth, .pt or .bin; got "
            f"{path}."
        )


def _load_keras(model, path):
    try:
        with h5py.File(path) as file:
            check_hdf5(file)
            found = sum(_count_arrays(group) for group in file.values())
        if found != len(model.weights):
            raise ValueError(f"it holds {found} arrays, not {len(model.weights)}")
        model.load_weights(path)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(
            f"`weights` must be the ones of {model.name}; {path} does not fit: {error}."
        ) from error


def _count_arrays(item):
    if isinstance(item, h5py.Dataset):
        return 1
    return sum(_count_arrays(child) for child in item.values())


def _read_safetensors(path):
    require_extra("hub", "safetensors", "Reading .safetensors files")
    import safetensors
    import safetensors.numpy

    try:
        return safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, OSError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is no complete safetensors file: {error}.") from error


def _read_torch(path):
    with path.open("rb") as file:
        if file.read(len(LEGACY_HEADER)) == LEGACY_HEADER:
            return read_legacy_torch(path)
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"Reading {path.suffix} files needs `pip install torch`; .safetensors "
            "files do not."
        ) from error
    try:
        if zipfile.is_zipfile(path):  # the format of torch since 1.6
            check_zip(path)
        # Without weights_only a file could run code.
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, tensor in state.items():
            if tensor.nbytes > tensor.untyped_storage().nbytes():
                raise ValueError(f"{name} declares more numbers than it holds")
        return {name: tensor.float().numpy() for name, tensor in state.items()}
    except Exception as error:  # torch raises whatever its zip and pickle readers do
        raise ValueError(f"{path} is no complete file of tensors: {error}.") from error


def _load_state_dict(
    model: keras.Model, arrays: Mapping[str, np.ndarray], path: pathlib.Path
) -> None:
    targets = {_name(variable): variable for variable in model.weights}
    found = {
        _rename(name): array
        for name, array in arrays.items()
        if not name.endswith("num_batches_tracked")
    }
    if "fc.weight" not in targets:
        found = {
            name: array
            for name, array in found.items()
            if name not in ("fc.weight", "fc.bias")
        }
    missing = [
        name for name in targets if name not in found and ".sge." not in f".{name}"
    ]
    surplus = [name for name in found if name not in targets]
    if missing or surplus:
        raise ValueError(
            f"`weights` must be the ones of {model.name}; {path} lacks "
            f"{_list(missing)} and has {_list(surplus)} too many."
        )
    values = {name: _to_keras(name, found[name], targets[name], path) for name in found}
    for name, value in values.items():
        targets[name].assign(value)


def _name(variable):
    """Turns `layer1.0.se/squeeze/kernel` into `layer1.0.se.fc1.weight`."""
    *layers, name = variable.path.split("/")
    layers = [_SUBLAYERS.get(layer, layer) for layer in layers]
    return ".".join([*layers, _VARIABLES[name]])


def _rename(name):
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _list(names):
    return shorten_names(sorted(names), _NAMES_SHOWN) or "nothing"


def _to_keras(name, array, variable, path):
    value = array
    if array.ndim == 4 and len(variable.shape) == 2 and array.shape[2:] == (1, 1):
        value = array[:, :, 0, 0]
    if value.ndim == 4:
        value = value.transpose(2, 3, 1, 0)
        if value.shape[2] == 1 and variable.shape[3] == 1:  # depthwise
            value = value.transpose(0, 1, 3, 2)
    elif value.ndim == 2:
        value = value.T
    elif name.endswith(tuple(f".sge.{kind}" for kind in ("weight", "bias"))):
        value = value.reshape(variable.shape)
    if value.shape != tuple(variable.shape):
        raise ValueError(
            f"`weights` must fit the model; {path} has shape {array.shape} for {name}, "
            f"whose Keras shape is {tuple(variable.shape)}."
        )
    if not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value).all():
        raise ValueError(f"{path} is corrupt: {name} has values that are not finite.")
    return value
