"""A model in a file of Keras."""

import io
import zipfile
from pathlib import Path

import h5py
import keras

import kmlic.layers  # noqa: F401 - registers what a file may hold
from kmlic.declared_sizes import check_hdf5, check_zip
from kmlic.layers.keras_internals import limit_variables

# Configurations of large models have 2 MB.
_MAX_CONFIG_BYTES = 16 << 20
# Variables that are not stored, such as those of random layers.
_FREE_BYTES = 16 << 20
_WEIGHTS = "model.weights.h5"


def load_model(path: str | Path) -> keras.Model:
    """Loads a `.keras` file, after checking the sizes that it declares.

    Keras' safe mode is on, so that the file cannot run code.

    Args:
        path: the file.

    Returns:
        The model, uncompiled.

    Raises:
        ValueError: naming the file and what is wrong with it.

    Example:
        >>> import tempfile
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(Path(folder) / "model.keras")
        ...     load_model(Path(folder) / "model.keras").output_shape
        (None, 3)
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} must be a Keras model; it is corrupt.")
    try:
        with limit_variables(2 * _check_sizes(path) + _FREE_BYTES):
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        if not getattr(model, "outputs", None):
            raise ValueError(f"a {type(model).__name__} without outputs")
    except Exception as error:  # whatever a changed config makes of Keras' layers
        raise ValueError(
            f"{path} must be a model that this version of kmlic can load; got: {error}"
        ) from error
    return model


def _check_sizes(path: str | Path) -> int:
    """Checks the sizes in a model file, and returns the bytes of its arrays."""
    limits = dict.fromkeys(("config.json", "metadata.json"), _MAX_CONFIG_BYTES)
    check_zip(path, max_bytes=limits)
    with zipfile.ZipFile(path) as archive:
        weights = io.BytesIO(archive.read(_WEIGHTS))
    with h5py.File(weights) as file:
        return check_hdf5(file)
