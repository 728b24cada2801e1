"""The size and latency of exports."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kmlic.export.export_checked import Export
from kmlic.export.format import Predict
from kmlic.export.load_export import load_export


def measure_exports(
    exports: Sequence[Export], image: np.ndarray, *, repetitions: int = 10
) -> list[Export]:
    """Measures the size and the latency of exports.

    Args:
        exports: from `export_checked`.
        image: (1, S, S, 3) pixels 0-255 of the model's size.
        repetitions: how often the image is timed, after one run that is not.

    Raises:
        ValueError: if the files of an export no longer exist.
    """
    return [
        dataclasses.replace(
            export,
            megabytes=size_of(export.path) / 1e6,
            milliseconds=latency(
                load_export(export.path, precision=export.precision), image, repetitions
            ),
        )
        for export in exports
    ]


def size_of(path: Path) -> int:
    """Returns the bytes of a file or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def latency(predict: Predict, image: np.ndarray, repetitions: int) -> float:
    """Measures the median wall-clock time of one image, in milliseconds."""
    predict(image)
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        predict(image)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))
