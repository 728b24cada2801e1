"""Binary cross-entropy over the labels that are known."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kmlic.losses._known_entries import (
    check_reduction,
    known_entries,
    per_entry,
    spread,
)


@keras.saving.register_keras_serializable(package="kmlic")
class PartialBinaryCrossentropy(keras.Loss):
    """Averages the cross-entropy of every known label of every image of a batch.

    loss = -(w y log p + (1 - y) log(1 - p)) with p = sigmoid(logit), in float32 under
    every precision policy, finite for logits of any size. A batch without a known label
    costs 0. Under several replicas each averages over its own known labels.

    Paper: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021,
    equation 3 with y+ = y- = 0, https://arxiv.org/abs/2009.14119. Equals torch's
    MultiLabelSoftMarginLoss and, with positive weights, its BCEWithLogitsLoss.
    MSRN's equation 1 sums over the labels and lacks the minus sign; its code does this.

    Shapes: targets (B, L) and scores (B, L) to a number; (B, L) with no reduction.

    Args:
        from_logits: whether scores are logits, else probabilities, clipped to 1e-7.
        label_smoothing: share 0-1 of each known target that is replaced by 1/2.
        positive_weight: w, the weight of a present label against an absent one, above
            0; one for all labels or one per label.
        reduction: "sum_over_batch_size" or "mean" averages over the known entries,
            "sum" adds them, None gives each; unknown entries are 0 in all of them.
            Weights of images multiply their entries before that.

    Raises:
        ValueError: if an argument is out of its limits, or there is not one positive
            weight per label.

    Example:
        >>> loss = PartialBinaryCrossentropy()
        >>> logits = keras.ops.array([[0.0, 9.0, 0.0]])
        >>> round(float(loss([[1.0, -1.0, 0.0]], logits)), 4)  # log 2
        0.6931
    """

    def __init__(
        self,
        *,
        from_logits: bool = True,
        label_smoothing: float = 0.0,
        positive_weight: float | Sequence[float] = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "partial_binary_crossentropy",
        **kwargs,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **kwargs)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                "`label_smoothing` must be a share 0-1; got "
                f"label_smoothing={label_smoothing}."
            )
        weights = np.asarray(positive_weight, "float64")
        if weights.ndim > 1 or not (np.isfinite(weights) & (weights > 0)).all():
            raise ValueError(
                "`positive_weight` must be above 0, one number or one per label; got "
                f"positive_weight={positive_weight}."
            )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.positive_weight = positive_weight

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred, per_entry(sample_weight))

    def call(self, y_true, y_pred):
        weights = np.asarray(self.positive_weight, "float32")
        if weights.ndim and len(weights) != y_pred.shape[-1]:
            raise ValueError(
                f"`positive_weight` must be one per label; got {len(weights)} for "
                f"{y_pred.shape[-1]} labels (scores {tuple(y_pred.shape)})."
            )
        targets, known = known_entries(y_true)
        smoothing = self.label_smoothing
        targets = targets * (1 - smoothing) + 0.5 * smoothing
        scores = ops.cast(y_pred, "float32")
        if self.from_logits:
            present, absent = ops.softplus(-scores), ops.softplus(scores)
        else:
            scores = ops.clip(scores, 1e-7, 1 - 1e-7)
            present, absent = -ops.log(scores), -ops.log1p(-scores)
        losses = weights * targets * present + (1 - targets) * absent
        return spread(losses, known, self.reduction)

    def get_config(self):
        weight = self.positive_weight
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "positive_weight": np.asarray(weight).tolist(),
        }
