"""Hinge loss that ranks the right labels above all others."""

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
class HingeRank(keras.Loss):
    """Penalises wrong labels that are not less similar than right ones by a margin.

    With s the similarities of an image to the labels, the loss of an image is the mean
    over its labels t of the sum over its absent labels j of max(0, margin - s_t + s_j).
    Computed in float32 under every precision policy.

    Paper: Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013,
    equation 1, https://papers.nips.cc/paper/5204. Differs from the paper: all wrong
    labels count, where its code stops at the first one in random order that violates
    the margin; an image may have several labels; labels that have the same vector are
    not ranked against each other.

    Shapes: targets (B, L), 1 present, 0 absent, -1 unknown, and similarities (B, L), as
    `LabelSimilarity` returns, to a number; (B,) with no reduction. Needs memory for B *
    L * L numbers.

    Args:
        margin: 0 or above, in the unit of the similarities; the paper takes 0.1 and dot
            products with unit label vectors.
        shared_labels: groups of indices of labels that have the same vector.
        reduction: "sum_over_batch_size" or "mean" averages over the images that have a
            label, "sum" sums them, None returns each; the loss of other images is 0.

    Raises:
        ValueError: if an argument is out of its limits.

    Example:
        >>> loss = HingeRank(margin=0.1)
        >>> similarities = keras.ops.array([[0.5, 0.45, 0.6, -0.2]])
        >>> round(float(loss([[1.0, 0.0, 0.0, 0.0]], similarities)), 4)  # 0.05 + 0.2
        0.25
    """

    def __init__(
        self,
        margin: float = 0.1,
        *,
        shared_labels: Sequence[Sequence[int]] = (),
        reduction: str | None = "sum_over_batch_size",
        name: str = "hinge_rank",
        **kwargs,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **kwargs)
        check_number("margin", margin, at_least=0)
        self.margin = margin
        self.shared_labels = check_shared_labels(shared_labels)

    def call(self, y_true, y_pred):
        similarities = ops.cast(y_pred, "float32")
        present, wrong = present_and_wrong(
            y_true, similarities.shape[-1], self.shared_labels
        )
        gaps = similarities[:, None, :] - similarities[:, :, None]  # (B, L, L)
        violations = ops.maximum(gaps + self.margin, 0.0)
        per_label = ops.einsum("blm,bm->bl", violations, wrong)
        losses = mean_over_present(per_label, present)
        return scale_to_known(losses, ops.max(present, axis=-1), self.reduction)

    def get_config(self):
        return {
            **super().get_config(),
            "margin": self.margin,
            "shared_labels": self.shared_labels,
        }
