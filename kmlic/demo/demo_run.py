"""A run as the demo shows it."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from kmlic.data.limits import Limits
from kmlic.labels import Labels
from kmlic.predict import Prediction, Scorer, load_scorer, predict_paths


class DemoRun:
    """Scores images with a run, and draws maps of its labels where it has any.

    Args:
        folder: the run folder.
        runtime: what runs the model, as in `load_scorer`. Maps need "keras".
        **limits: of the images, see `kmlic.data.limits.Limits`.

    Raises:
        ValueError: naming what the run lacks.
    """

    def __init__(
        self, folder: str | Path, runtime: str = "keras", **limits: Unpack[Limits]
    ):
        self._limits = limits
        # A scorer may be used by one thread at a time.
        self._lock = threading.Lock()
        self._model = None
        if runtime != "keras":
            self._scorer = load_scorer(folder, runtime=runtime)
            return
        from kmlic.explain import NoMapsError, find_centers
        from kmlic.predict import load_run

        model, labels = load_run(folder)
        self._scorer = Scorer.of_model(model, labels)
        try:
            self._centers = find_centers(model, self._scorer.image_size)
            self._model = model
        except NoMapsError:
            pass

    @property
    def labels(self) -> Labels:
        """Returns its labels, with thresholds."""
        return self._scorer.labels

    def predict(self, paths: Sequence[str]) -> list[Prediction]:
        """Scores image files; a broken one has an error instead of probabilities."""
        with self._lock:
            return list(predict_paths(self._scorer, paths, **self._limits))

    def read(self, path: str) -> np.ndarray:
        """Reads an image (H, W, 3) uint8 within the limits."""
        from kmlic.data.decoding import read_image

        return read_image(path, **self._limits)

    def draw(self, path: str, labels: Sequence[int]) -> dict[int, np.ndarray]:
        """Returns a picture of the map of each label; none for a run without maps."""
        if self._model is None or not labels:
            return {}
        from kmlic.data.decoding import resize_images
        from kmlic.explain import activation_maps, draw_map

        image = self.read(path)
        pixels = resize_images(image, self._scorer.image_size).numpy()
        with self._lock:
            maps = activation_maps(self._model, pixels[None])[0]
        return {
            label: draw_map(image, maps[..., label], centers=self._centers)
            for label in labels
        }
