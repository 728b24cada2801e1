"""What each form of a model costs."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kmlic.export.export_checked import Form
from kmlic.export.load_export import load_export


def compare_forms(
    forms: Sequence[Form], image: np.ndarray, *, repetitions: int = 10
) -> list[Form]:
    """Measures the size and the latency of exported forms.

    Args:
        forms: what `export_checked` gave.
        image: (1, S, S, 3) pixels 0-255 of the model's size.
        repetitions: how often the image is timed, after one unmeasured run.

    Raises:
        ValueError: if a form is not there any more.
    """
    return [
        dataclasses.replace(
            form,
            megabytes=size_of(form.path) / 1e6,
            milliseconds=latency(
                load_export(form.path, precision=form.precision), image, repetitions
            ),
        )
        for form in forms
    ]


def size_of(path: Path) -> int:
    """Gives the bytes of a file or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def latency(
    predict: Callable[[np.ndarray], np.ndarray], image: np.ndarray, repetitions: int
) -> float:
    """Gives the median wall-clock time of one image, in milliseconds."""
    predict(image)
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        predict(image)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))
