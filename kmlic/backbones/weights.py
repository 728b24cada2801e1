"""Weights from files into backbones, strictly."""

import pathlib

import h5py
import keras


def load_weights(model: keras.Model, weights: str | pathlib.Path) -> None:
    """Loads a Keras `.weights.h5` file into `model`, all of it and nothing else.

    Args:
        model: a backbone, or a model of keras.applications.
        weights: path of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds other weights than the model.
    """
    path = pathlib.Path(weights)
    if not path.exists():
        raise FileNotFoundError(f"No weights at {path}.")
    if not path.name.endswith(".weights.h5"):
        raise ValueError(f"`weights` must end in .weights.h5; got weights={path}.")
    arrays = []
    with h5py.File(path) as file:
        file.visititems(
            lambda _, item: arrays.append(item) if hasattr(item, "shape") else None
        )
        found = len(arrays)
    if found != len(model.weights):
        raise ValueError(
            f"`weights` must hold the {len(model.weights)} arrays of {model.name}; "
            f"{path} holds {found}."
        )
    try:
        model.load_weights(path)
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"`weights` must fit {model.name}; {path} does not: {error}"
        ) from error
