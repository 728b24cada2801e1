"""Images with their targets and the probabilities of a model."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kmlic.html_report import Picture
from kmlic.labels import Labels


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredImages:
    """Holds what the sections of a report show of images and their scores.

    Args:
        name: what they are called in a sentence: "80 test images".
        labels: names and thresholds.
        targets: (N, L), 1 present, 0 absent, -1 unknown.
        probabilities: (N, L), 0-1.
        load: reads the pixels, 0-255, of some rows; returns row to (H, W, 3).
        paths: (N,) names of the images; empty if they have none.
    """

    name: str
    labels: Labels
    targets: np.ndarray
    probabilities: np.ndarray
    load: Callable[[np.ndarray], Mapping[int, np.ndarray]]
    paths: Sequence[str] = ()

    @property
    def predicted(self) -> np.ndarray:
        """Returns (N, L), which labels are predicted."""
        return self.labels.predicted(self.probabilities)

    def pictures(
        self, captions: Mapping[tuple[int, int], str]
    ) -> dict[tuple[int, int], Picture]:
        """Loads images once each, and returns a picture for each image and label.

        Args:
            captions: row and label to the text below the picture; read out are also
                the path and the labels of the image.
        """
        rows = np.array(sorted({row for row, _ in captions}), np.int64)
        pixels = self.load(rows) if len(rows) else {}
        return {
            (row, label): Picture(pixels[row], caption, self.describe(row))
            for (row, label), caption in captions.items()
        }

    def describe(self, row: int) -> str:
        """Returns the path of an image, if it has one, and its labels."""
        present = np.flatnonzero(self.targets[row] == 1)
        names = ", ".join(self.labels.names[i] for i in present) or "no label"
        return f"{self.paths[row]}: {names}" if len(self.paths) else names

    def caption(self, row: int, label: int) -> str:
        """Returns the name of a label and its probability for an image."""
        return f"{self.labels.names[label]} {self.probabilities[row, label]:.2f}"
