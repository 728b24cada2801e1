"""What an export format defines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from kmlic.atomic_write import require_writable
from kmlic.data.limits import Limits
from kmlic.labels import Labels

if TYPE_CHECKING:
    import keras

    from kmlic.embedding_index import EmbeddingIndex

Precision = Literal["float32", "bfloat16", "auto"]
Predict = Callable[[np.ndarray], np.ndarray]
PredictFiles = Callable[[Sequence[bytes]], tuple[np.ndarray, np.ndarray]]

# Name under which an export stores its labels.
LABELS_FILE = "labels.json"

# Largest difference of a score in float32, which only rounds differently. Lower
# precisions need to be usable: a trained MobileNetV2 of 224 pixels differs by 0.012
# with its weights in float16 and by 0.15 in bfloat16. `kmlic export --compare` measures
# what a format costs in mean average precision.
FLOAT32_TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True, eq=False)
class ExportOptions:
    """Holds what a model is exported with.

    Args:
        labels: names and thresholds of the model's outputs; None for embeddings.
        images: (N, H, W, 3) pixels 0-255, or paths of image files, to compare the
            export and its model on; "int8" takes the ranges of activations from them.
        quantize: how weights are made smaller; None keeps float32.
        maps: whether the export also returns the model's maps.
        warm_up: whether a SavedModel stores requests, made of the images, that TF
            Serving answers at its start; None if the extra serving is installed.
        index: the words that a SavedModel of embeddings finds.
        limits: of the images that a SavedModel decodes.
    """

    labels: Labels | None
    images: np.ndarray | Sequence[str | Path]
    quantize: str | None = None
    maps: bool = False
    warm_up: bool | None = None
    index: EmbeddingIndex | None = None
    limits: Limits = dataclasses.field(default_factory=lambda: Limits())


@dataclasses.dataclass(frozen=True, eq=False)
class Format:
    """Defines an export format: its files, and how they are written, read and run.

    Args:
        name: how the format is chosen.
        file: name of the file or folder in a run folder.
        description: what an export in this format is, for messages.
        runtimes: names of the runtimes, each with the precision it computes in.
        write: writes a model to a path.
        recognizes: whether a path is an export in this format.
        load: loads an export as a function of images.
        read_labels: returns the text of the labels in an export; None without labels.
        tolerances: by precision, the largest difference of a score from the model's
            that an export may have.
        quantizations: the same for each value of `quantize` that the format has.
        precisions: lists the precisions that this machine can compute in.
        extra: the extra of kmlic that it needs; None if it needs none.
        files: names of the files of a folder, first the one that marks it; empty for a
            format of one file, and for one of which no export is ever replaced.
        versioned: whether the file is a folder with a numbered folder per export.
        load_server: loads an export that takes images of any size, as a function of
            images and one of encoded images, which also returns which could be decoded;
            None for formats that only take images of one size.
    """

    name: str
    file: str
    description: str
    runtimes: Mapping[str, Precision]
    write: Callable[[keras.Model, Path, ExportOptions], object]
    recognizes: Callable[[Path], bool]
    load: Callable[[Path, Precision], Predict]
    read_labels: Callable[[Path], str | None]
    tolerances: Mapping[Precision, float] = dataclasses.field(
        default_factory=lambda: {"float32": FLOAT32_TOLERANCE}
    )
    quantizations: Mapping[str, float] = dataclasses.field(default_factory=dict)
    precisions: Callable[[], Sequence[Precision]] = lambda: ("float32",)
    extra: str | None = None
    files: Sequence[str] = ()
    versioned: bool = False
    load_server: Callable[[Path], tuple[Predict, PredictFiles]] | None = None

    @property
    def pattern(self) -> str:
        """Returns the pattern of the files of all its exports in a run folder."""
        suffix = Path(self.file).suffix
        return f"*{suffix}" if suffix else f"{self.file}/*"

    def new_path(self, folder: Path, quantize: str | None = None) -> Path:
        """Returns the path that the next export into a run folder has."""
        path = folder / self.file
        if self.versioned:
            return path / str(next_version(path))
        return path.with_suffix(f".{quantize}{path.suffix}") if quantize else path

    def require_replaceable(self, path: Path) -> None:
        """Refuses a path where anything else is than an export in this format.

        Raises:
            ValueError: naming the path and what is there.
        """
        if path.exists() and not self.recognizes(path):
            raise ValueError(
                f"{path} must be {self.description} or not exist yet; something else "
                "is there."
            )
        if self.files:
            require_writable(path, folder_with=self.files[0], files=self.files)

    def newest_path(self, folder: Path) -> Path | None:
        """Returns the path of the newest float32 export in a run folder, or None."""
        path = folder / self.file
        if self.versioned:
            path = path / str(max(_versions(path), default=0))
        return path if path.exists() else None


def next_version(folder: Path, version: int | None = None) -> int:
    """Returns one more than the largest version in a folder, or the one asked for.

    Args:
        folder: holds one folder per version; it may be missing.
        version: a positive number that the folder does not have yet.

    Raises:
        ValueError: if the version exists or is below 1.
    """
    existing = _versions(folder)
    if version is None:
        return max(existing, default=0) + 1
    if version < 1 or version in existing:
        raise ValueError(
            "`version` must be positive and new, because a server may be running the "
            f"old one; got version={version} with {sorted(existing)} in {folder}."
        )
    return version


def _versions(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]


def scores_in(outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the probabilities among an export's outputs, or its embeddings."""
    return outputs["probabilities" if "probabilities" in outputs else "embeddings"]
