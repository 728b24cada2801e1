"""The model and labels of a run folder."""

import io
import zipfile
from pathlib import Path

import h5py
import keras

import kmlic.layers
import kmlic.models  # noqa: F401
from kmlic.declared_sizes import check_hdf5, check_zip
from kmlic.labels import Labels
from kmlic.layers.keras_internals import limit_variables
from kmlic.run_folder import require_run

# Configurations of large models have 2 MB.
_MAX_CONFIG_BYTES = 16 << 20
# Variables that are not stored, such as those of random layers.
_FREE_BYTES = 16 << 20
_WEIGHTS = "model.weights.h5"


def load_run(folder: str | Path) -> tuple[keras.Model, Labels]:
    """Loads model.keras and labels.json of a run.

    The model is loaded in Keras' safe mode, so its file cannot run code.

    Args:
        folder: a run folder, for instance saved_models/msrn.

    Returns:
        The model, uncompiled, and its labels.

    Raises:
        ValueError: naming what is missing or corrupt, or if there is not one label per
            logit.
    """
    folder = Path(folder)
    require_run(folder, "model.keras", "labels.json")
    labels = Labels.read(folder / "labels.json")
    path = folder / "model.keras"
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} must be a Keras model; it is corrupt.")
    try:
        with limit_variables(2 * _check_sizes(path) + _FREE_BYTES):
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        num_logits = model.output_shape[-1]
    except Exception as error:  # whatever a changed config makes of Keras' layers
        raise ValueError(
            f"{path} must be a model that this version of kmlic can load; got: {error}"
        ) from error
    if num_logits != len(labels):
        raise ValueError(
            f"{folder} must hold one label per logit; labels.json has {len(labels)}, "
            f"model.keras {num_logits}. They belong to different runs."
        )
    return model, labels


def _check_sizes(path: Path) -> int:
    """Checks the sizes in a model file, and returns the bytes of its arrays."""
    limits = dict.fromkeys(("config.json", "metadata.json"), _MAX_CONFIG_BYTES)
    check_zip(path, max_bytes=limits)
    with zipfile.ZipFile(path) as archive:
        weights = io.BytesIO(archive.read(_WEIGHTS))
    with h5py.File(weights) as file:
        return check_hdf5(file)
