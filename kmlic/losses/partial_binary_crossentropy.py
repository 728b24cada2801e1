"""Binary cross-entropy over the known labels."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses._known_entries import (
    LogitsCheck,
    broadcast_weight,
    check_positive_weight,
    check_reduction,
    check_unknown_target,
    mark_unknown,
    per_entry,
    scale_to_known,
)


@keras.saving.register_keras_serializable(package="kmlic")
class PartialBinaryCrossentropy(keras.Loss):
    """Averages the cross-entropy over the known labels of all images of a batch.

    loss = -(w y log p + (1 - y) log(1 - p)) with p = sigmoid(logit), in float32 under
    every precision policy, finite for logits of any size. The loss of a batch without
    known labels is 0. Each replica averages over its own known labels.

    Paper: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021,
    equation 3 with y+ = y- = 0, https://arxiv.org/abs/2009.14119. For unknown labels
    treated as absent, fully or in part: Cole et al., "Multi-Label Learning from Single
    Positive Labels", CVPR 2021, losses AN, AN-LS and WAN,
    https://arxiv.org/abs/2106.09708. Equals torch's MultiLabelSoftMarginLoss and, with
    positive weights, its BCEWithLogitsLoss. MSRN's equation 1 sums over the labels and
    lacks the minus sign; its code computes this loss.

    Shapes: targets (B, L) and scores (B, L) to a number; (B, L) with no reduction.

    Args:
        from_logits: whether scores are logits, otherwise probabilities, clipped to
            1e-7.
        label_smoothing: share 0-1 of each target that is replaced by 1/2.
        positive_weight: w, the weight of a present label against an absent one, above
            0; one for all labels or one per label. See `positive_weights`.
        unknown_target: None excludes unknown labels; 0 treats them as absent, a number
            up to 1 as present with that probability.
        unknown_weight: 0 or above; weight of an unknown label that is not excluded,
            relative to a known one.
        reduction: "sum_over_batch_size" or "mean" averages over the known entries,
            "sum" sums them, None returns each; unknown entries are 0. Weights of images
            are applied before.

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
        unknown_target: float | None = None,
        unknown_weight: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "partial_binary_crossentropy",
        **kwargs,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **kwargs)
        check_number("label_smoothing", label_smoothing, at_least=0, at_most=1)
        check_positive_weight(positive_weight)
        check_unknown_target(unknown_target)
        check_number("unknown_weight", unknown_weight, at_least=0)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.positive_weight = positive_weight
        self.unknown_target = unknown_target
        self.unknown_weight = unknown_weight
        self._check_logits = LogitsCheck()

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred, per_entry(sample_weight))

    def call(self, y_true, y_pred):
        weights = broadcast_weight(self.positive_weight, y_pred)
        targets, known = mark_unknown(y_true, self.unknown_target, self.unknown_weight)
        smoothing = self.label_smoothing
        targets = targets * (1 - smoothing) + 0.5 * smoothing
        scores = ops.cast(y_pred, "float32")
        if self.from_logits:
            self._check_logits(self.name, y_pred)
            present, absent = ops.softplus(-scores), ops.softplus(scores)
        else:
            scores = ops.clip(scores, 1e-7, 1 - 1e-7)
            present, absent = -ops.log(scores), -ops.log1p(-scores)
        losses = weights * targets * present + (1 - targets) * absent
        return scale_to_known(losses, known, self.reduction)

    def get_config(self):
        weight = self.positive_weight
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "positive_weight": np.asarray(weight).tolist(),
            "unknown_target": self.unknown_target,
            "unknown_weight": self.unknown_weight,
        }
