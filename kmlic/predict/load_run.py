"""The model and labels of a run folder."""

from pathlib import Path

import keras

from kmlic.labels import Labels
from kmlic.models import load_model
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
    model = load_model(folder / "model.keras")
    shapes = [tuple(output.shape) for output in model.outputs]
    num_logits = shapes[0][-1] if len(shapes) == 1 and shapes[0] else shapes
    if num_logits != len(labels):
        raise ValueError(
            f"{folder} must hold one label per logit; labels.json has {len(labels)}, "
            f"model.keras {num_logits}. They belong to different runs."
        )
    return model, labels
