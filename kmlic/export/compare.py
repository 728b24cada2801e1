"""What each form of a model costs and how far it strays."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from kmlic.export.load_export import load_export
from kmlic.export.parity import check_parity


@dataclasses.dataclass(frozen=True)
class Form:
    """Holds what one exported form of a model costs and gives.

    Args:
        path: the file or folder.
        megabytes: its size on the disk, in 1e6 bytes.
        milliseconds: median wall-clock time of one image alone.
        difference: largest difference of a probability from the model's.
    """

    path: Path
    megabytes: float
    milliseconds: float
    difference: float


def compare_forms(
    model: keras.Model,
    paths: Sequence[str | Path],
    images: np.ndarray,
    *,
    repetitions: int = 10,
) -> list[Form]:
    """Measures the size, latency and score difference of exported forms.

    Args:
        model: what was exported.
        paths: folders of SavedModel versions and .tflite files.
        images: (N, S, S, 3) pixels 0-255 of the model's size.
        repetitions: how often one image is timed, after one unmeasured run.

    Raises:
        ValueError: if a path is no export or there are no images.
    """
    return [
        Form(
            path=Path(path),
            difference=check_parity(model, path, images),
            megabytes=_size(Path(path)) / 1e6,
            milliseconds=_latency(Path(path), images[:1], repetitions),
        )
        for path in paths
    ]


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _latency(path: Path, image: np.ndarray, repetitions: int) -> float:
    predict = load_export(path)
    predict(image)
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        predict(image)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))
