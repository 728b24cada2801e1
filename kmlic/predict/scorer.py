"""What scores images, whatever computes."""

import dataclasses
from collections.abc import Callable, Iterable

import keras
import numpy as np

from kmlic.labels import Labels, to_probabilities


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Scores images of one size, through a model, an export or a runtime.

    Whatever tags images or judges a model asks a scorer; `load_scorer` gives that of a
    run folder. It is for one thread at a time.

    Args:
        labels: whose scores it gives.
        image_size: side S in pixels of the images it takes.
        function: pixels 0-255 (B, S, S, 3) to scores (B, L): probabilities, unless the
            one who made it says otherwise.

    Example:
        >>> labels = Labels(("dark", "bright"))
        >>> scorer = Scorer(labels, 8, lambda images: np.full((len(images), 2), 0.5))
        >>> scorer.score(np.zeros((3, 8, 8, 3)), rows=4).shape
        (3, 2)
    """

    labels: Labels
    image_size: int
    function: Callable[[np.ndarray], np.ndarray]

    @classmethod
    def of_model(cls, model: keras.Model, labels: Labels) -> "Scorer":
        """Gives the probabilities of a model from images to logits.

        Args:
            model: takes images (B, S, S, 3).
            labels: of the model, one per logit; their image size is used where the
                model takes any.

        Raises:
            ValueError: if neither says the image size.
        """
        size = model.input_shape[1] or labels.image_size
        if not size:
            raise ValueError(
                "`labels` must say the image size of a model that takes any size; got "
                "None."
            )
        return cls(
            labels,
            size,
            lambda images: to_probabilities(model.predict_on_batch(images), labels),
        )

    def score(
        self, images: np.ndarray | list[np.ndarray], *, rows: int | None = None
    ) -> np.ndarray:
        """Scores a batch.

        Shapes: (B, S, S, 3) to (B, L) float32.

        Args:
            images: pixels 0-255; none are scored without asking what computes.
            rows: how many the batch is filled up to, with copies that are dropped
                again: what computes prepares itself anew for every number of rows.
        """
        count = len(images)
        if not count:
            return np.zeros((0, len(self.labels)), "float32")
        images = np.stack(images) if isinstance(images, list) else np.asarray(images)
        if rows is not None and rows > count:
            images = np.concatenate([images, np.repeat(images[:1], rows - count, 0)])
        return np.asarray(self.function(images), "float32")[:count]

    def score_dataset(
        self, dataset: Iterable[tuple[np.ndarray, np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gives the targets and the scores of every image of a dataset, in its order.

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
