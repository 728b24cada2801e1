"""Cross-entropy that down-weights entries that are nearly right."""

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
class FocalLoss(keras.Loss):
    """Computes the cross-entropy of each label, down-weighted by its probability.

    With p the probability that the model assigns to the truth, present or absent, the
    loss of an entry is -w (1 - p)^gamma log p, where w is 1 for an absent label.
    Computed in float32 under every precision policy; 1 - p is computed from the logits,
    so loss and gradient are finite for logits of any size.

    Paper: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equations 4
    and 5, https://arxiv.org/abs/1708.02002. Differs from equation 5: its alpha and 1 -
    alpha are w and 1 here, which scales the loss by 1 / (1 - alpha); alpha = 0.25 is w
    = 1/3. `AsymmetricLoss` has separate exponents for positives and negatives,
    `GroupFocalLoss` is for groups with one label each.

    Shapes: targets (B, L) and logits (B, L) to a number; (B, L) with no reduction.

    Args:
        gamma: 0 or above; 0 is the cross-entropy.
        positive_weight: w, above 0; one for all labels or one per label. See
            `positive_weights`.
        unknown_target: None excludes unknown labels; 0 treats them as absent, a number
            up to 1 as present with that probability.
        reduction: "sum_over_batch_size" or "mean" averages over the known entries,
            "sum" sums them, None returns each.

    Raises:
        ValueError: if an argument is out of its limits, or there is not one positive
            weight per label.

    Example:
        >>> loss = FocalLoss(gamma=2)
        >>> logits = keras.ops.array([[0.0, 9.0, 0.0]])
        >>> round(float(loss([[1.0, -1.0, 0.0]], logits)), 4)  # log 2 / 4
        0.1733
    """

    def __init__(
        self,
        *,
        gamma: float = 2.0,
        positive_weight: float | Sequence[float] = 1.0,
        unknown_target: float | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "focal_loss",
        **kwargs,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **kwargs)
        check_number("gamma", gamma, at_least=0)
        check_unknown_target(unknown_target)
        check_positive_weight(positive_weight)
        self.gamma = gamma
        self.positive_weight = positive_weight
        self.unknown_target = unknown_target
        self._check_logits = LogitsCheck()

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred, per_entry(sample_weight))

    def call(self, y_true, y_pred):
        self._check_logits(self.name, y_pred)
        weights = broadcast_weight(self.positive_weight, y_pred)
        targets, known = mark_unknown(y_true, self.unknown_target)
        logits = ops.cast(y_pred, "float32")
        minus_log_p, minus_log_not_p = ops.softplus(-logits), ops.softplus(logits)
        present = minus_log_p * ops.exp(-self.gamma * minus_log_not_p)
        absent = minus_log_not_p * ops.exp(-self.gamma * minus_log_p)
        losses = weights * targets * present + (1 - targets) * absent
        return scale_to_known(losses, known, self.reduction)

    def get_config(self):
        return {
            **super().get_config(),
            "gamma": self.gamma,
            "positive_weight": np.asarray(self.positive_weight).tolist(),
            "unknown_target": self.unknown_target,
        }
