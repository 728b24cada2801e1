"""Cosine distance to the right label vectors, with a margin to a wrong one."""

from collections.abc import Sequence

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses._known_entries import check_reduction, scale_to_known
from kmlic.losses._label_ranking import (
    check_shared_labels,
    mean_over_present,
    present_and_wrong,
)


@keras.saving.register_keras_serializable(package="kmlic")
class CosineMargin(keras.Loss):
    """Pulls an embedding to the vectors of its labels, away from a random other one.

    With c the cosines of an image's embedding and the label vectors, the loss of an
    image is the mean of 1 - c over its labels plus max(0, c' - margin) for one absent
    label, drawn at random in each call. Computed in float32 under every precision
    policy.

    Paper: Nishimura, Yu, Hellmers and Desai, "A Combined Deep Learning and Semantic
    Embedding Model for Image Classification", section 2.3, which takes 0.1 after trying
    0 and 1. Equals the sum of torch's CosineEmbeddingLoss of a right and of a wrong
    pair. Differs from the paper: an image may have several labels, and the wrong one
    never has the same vector as a right one.

    Shapes: targets (B, L), 1 present, 0 absent, -1 unknown, and cosines (B, L), as
    `LabelSimilarity` returns, to a number; (B,) with no reduction.

    Args:
        margin: cosine from -1 to 1 below which the loss of a wrong label is 0; None
            ignores wrong labels, as the paper's first loss.
        shared_labels: groups of indices of labels that have the same vector.
        seed: of the random labels; None draws a new one.
        reduction: "sum_over_batch_size" or "mean" averages over the images that have a
            label, "sum" sums them, None returns each; the loss of other images is 0.

    Raises:
        ValueError: if an argument is out of its limits.

    Example:
        >>> loss = CosineMargin(margin=0.1)
        >>> cosines = keras.ops.array([[0.9, 0.3]])
        >>> round(float(loss([[1.0, 0.0]], cosines)), 4)  # 0.1 + 0.2
        0.3
    """

    def __init__(
        self,
        margin: float | None = 0.1,
        *,
        shared_labels: Sequence[Sequence[int]] = (),
        seed: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosine_margin",
        **kwargs,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **kwargs)
        if margin is not None:
            check_number("margin", margin, at_least=-1, at_most=1)
        self.margin = margin
        self.shared_labels = check_shared_labels(shared_labels)
        self.seed = seed
        self._random = keras.random.SeedGenerator(seed)

    def call(self, y_true, y_pred):
        cosines = ops.cast(y_pred, "float32")
        present, wrong = present_and_wrong(
            y_true, cosines.shape[-1], self.shared_labels
        )
        losses = mean_over_present(1 - cosines, present)
        if self.margin is not None:
            draws = keras.random.uniform(ops.shape(cosines), seed=self._random)
            # Where no label is wrong an arbitrary one is drawn, and masked below.
            drawn = ops.argmax(ops.where(wrong > 0, draws, -1.0), axis=-1)
            chosen = ops.one_hot(drawn, cosines.shape[-1], dtype="float32") * wrong
            pushes = ops.maximum(cosines - self.margin, 0.0)
            losses = losses + ops.sum(chosen * pushes, axis=-1)
        return scale_to_known(losses, ops.max(present, axis=-1), self.reduction)

    def get_config(self):
        return {
            **super().get_config(),
            "margin": self.margin,
            "shared_labels": self.shared_labels,
            "seed": self.seed,
        }
