"""The model and labels of a run folder."""

import zipfile
from pathlib import Path

import keras

import kmlic.layers
import kmlic.models  # noqa: F401
from kmlic.labels import Labels
from kmlic.run_folder import require_run


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
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        num_logits = model.output_shape[-1]
    except Exception as error:  # whatever a changed config makes of Keras' layers
        raise ValueError(
            f"{path} must be a model that this version of kmlic can load; Keras says: "
            f"{error}"
        ) from error
    if num_logits != len(labels):
        raise ValueError(
            f"{folder} must hold one label per logit; labels.json has {len(labels)}, "
            f"model.keras {num_logits}. They belong to different runs."
        )
    return model, labels
