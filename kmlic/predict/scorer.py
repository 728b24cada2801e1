"""A function that scores images, with its labels and image size."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from kmlic.labels import Labels, to_probabilities

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Scores images of one size with a model or an export.

    Predictions and evaluations use a scorer; `load_scorer` loads that of a run folder.
    It may be used by one thread at a time.

    Args:
        labels: names and thresholds of the scores.
        image_size: side S in pixels of the images it takes.
        function: pixels 0-255 (B, S, S, 3) to scores (B, L), usually probabilities.
        resize: how image files are resized for the function, see `read_resized`.

    Example:
        >>> labels = Labels(("dark", "bright"))
        >>> scorer = Scorer(labels, 8, lambda images: np.full((len(images), 2), 0.5))
        >>> scorer.score(np.zeros((3, 8, 8, 3)), rows=4).shape
        (3, 2)
    """

    labels: Labels
    image_size: int
    function: Callable[[np.ndarray], np.ndarray]
    resize: Callable[[np.ndarray, int], np.ndarray] | None = None

    @classmethod
    def of_model(cls, model: "keras.Model", labels: Labels) -> "Scorer":
        """Makes the scorer of a model from images to logits: its probabilities.

        Args:
            model: takes images (B, S, S, 3).
            labels: of the model, one per logit; their image size is used if the model
                takes any.

        Raises:
            ValueError: if neither has an image size.
        """
        size = model.input_shape[1] or labels.image_size
        if not size:
            raise ValueError(
                "`labels` must have the image size of a model that takes any; got None."
            )
        return cls(
            labels,
            size,
            lambda images: to_probabilities(model.predict_on_batch(images), labels),
        )

    def score(
        self, images: np.ndarray | list[np.ndarray], *, rows: int | None = None
    ) -> np.ndarray:
        """Scores a batch of images.

        Shapes: (B, S, S, 3) to (B, L) float32.

        Args:
            images: pixels 0-255; an empty batch does not reach the function.
            rows: number of rows that the batch is padded to, with copies that are
                dropped again, because runtimes recompile for every number of rows.

        Raises:
            ValueError: if a score is not finite.
        """
        count = len(images)
        if not count:
            return np.zeros((0, len(self.labels)), "float32")
        images = np.stack(images) if isinstance(images, list) else np.asarray(images)
        if rows is not None and rows > count:
            images = np.concatenate([images, np.repeat(images[:1], rows - count, 0)])
        scores = np.asarray(self.function(images), "float32")[:count]
        if not np.isfinite(scores).all():
            raise ValueError(
                "the model must score every image with finite numbers; got "
                f"{scores[~np.isfinite(scores)][0]}. Its weights are corrupt, or its "
                "training diverged."
            )
        return scores

    def score_dataset(
        self, dataset: Iterable[tuple[np.ndarray, np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the targets and scores of all images of a dataset, in its order.

        Shapes: batches of (B, S, S, 3) and (B, L) to (N, L) and (N, L).

        Args:
            dataset: batches of images and targets 1, 0 or -1.

        Raises:
            ValueError: if the dataset is empty.
        """
        targets, scores = [], []
        rows = 0
        for images, batch_targets in dataset:
            rows = max(rows, len(images))
            scores.append(self.score(images, rows=rows))
            targets.append(np.asarray(batch_targets))
        if not targets:
            raise ValueError("`dataset` must hold at least one batch; got none.")
        return np.concatenate(targets), np.concatenate(scores)
