"""Results of one training."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.models import load_model
from kmlic.run_folder import nan_to_none, none_to_nan

# Split to targets and probabilities, both (N, L).
Scores = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Trained:
    """Holds what one training left: scores of the splits, values of the epochs.

    Args:
        name: the row in the table.
        seed: of its weights, its augmentation and its order of images.
        scores: split to targets and probabilities.
        epochs: values of each epoch by name.
        parameters: number of weights.
        seconds: wall-clock time.
        model_path: the model as `.keras` file; None if there is no Keras model.
    """

    name: str
    seed: int
    scores: Scores
    epochs: Sequence[Mapping[str, float]] = ()
    parameters: int = 0
    seconds: float = 0.0
    model_path: Path | None = None

    def load_model(self) -> keras.Model:
        """Loads the model.

        Raises:
            ValueError: if there is none, as for a linear probe, or it is corrupt.
        """
        if self.model_path is None:
            raise ValueError(f"the row {self.name!r} must have a Keras model.")
        return load_model(self.model_path)

    def write(self, folder: Path, model: keras.Model) -> None:
        """Writes the training and its model into a new folder, atomically."""
        arrays: dict[str, Any] = {}
        for split, (targets, probabilities) in self.scores.items():
            arrays[f"{split}_targets"] = targets
            arrays[f"{split}_probabilities"] = probabilities
        names = ("epochs", "parameters", "seconds")
        record = {name: getattr(self, name) for name in names}
        with atomic_write(folder, folder_with="result.json") as temporary:
            temporary.mkdir()
            model.save(temporary / "model.keras")
            np.savez(temporary / "scores.npz", **arrays)
            (temporary / "result.json").write_text(json.dumps(nan_to_none(record)))

    @classmethod
    def read(cls, folder: Path, name: str, seed: int) -> "Trained":
        """Reads a training from the folder that `write` wrote."""
        record = json.loads((folder / "result.json").read_text())
        record["epochs"] = [none_to_nan(values) for values in record["epochs"]]
        with np.load(folder / "scores.npz", allow_pickle=False) as arrays:
            splits = [
                key.removesuffix("_targets") for key in arrays if "_targets" in key
            ]
            scores = {
                split: (arrays[f"{split}_targets"], arrays[f"{split}_probabilities"])
                for split in splits
            }
        return cls(name, seed, scores, **record, model_path=folder / "model.keras")
