"""Cross-entropy that down-weights easy negatives more than easy positives."""

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses._known_entries import (
    LogitsCheck,
    check_reduction,
    check_unknown_target,
    mark_unknown,
    per_entry,
    scale_to_known,
)


@keras.saving.register_keras_serializable(package="kmlic")
class AsymmetricLoss(keras.Loss):
    """Computes the cross-entropy, down-weighted for easy entries, negatives the most.

    With p = sigmoid(logit) and q = max(p - clip, 0), the loss of a present label is -(1
    - p)^g+ log p and that of an absent one -q^g- log(1 - q), which is 0 below `clip`.
    Computed in float32 under every precision policy; powers of (1 - p) are computed
    from the logits, so loss and gradient are finite for logits of any size.

    Paper: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021,
    equations 2 to 6, https://arxiv.org/abs/2009.14119. With both gammas 0 and no clip
    it is the binary cross-entropy, with equal gammas and no clip the focal loss.
    Differs from the paper: g+ is 1 by default, as in the published code, not 0; entries
    are averaged, where the code sums them; there is no option to exclude the powers
    from the gradient.

    Shapes: targets (B, L) and logits (B, L) to a number; (B, L) with no reduction.

    Args:
        gamma_negative: g-, 0 or above.
        gamma_positive: g+, 0 or above.
        clip: probability 0-1 below which the loss of an absent label is 0.
        unknown_target: None excludes unknown labels; 0 treats them as absent, as the
            paper does.
        reduction: "sum_over_batch_size" or "mean" averages over the known entries,
            "sum" sums them as the paper's code does, None returns each.

    Raises:
        ValueError: if an argument is out of its limits.

    Example:
        >>> loss = AsymmetricLoss(reduction="sum")
        >>> logits = keras.ops.array([[0.0, 0.0, 3.0]])
        >>> round(float(loss([[1.0, 0.0, -1.0]], logits)), 4)
        0.3711
    """

    def __init__(
        self,
        *,
        gamma_negative: float = 4.0,
        gamma_positive: float = 1.0,
        clip: float = 0.05,
        unknown_target: float | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "asymmetric_loss",
        **kwargs,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **kwargs)
        check_number("gamma_negative", gamma_negative, at_least=0)
        check_number("gamma_positive", gamma_positive, at_least=0)
        check_number("clip", clip, at_least=0, below=1)
        check_unknown_target(unknown_target)
        self.gamma_negative = gamma_negative
        self.gamma_positive = gamma_positive
        self.clip = clip
        self.unknown_target = unknown_target
        self._check_logits = LogitsCheck()

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred, per_entry(sample_weight))

    def call(self, y_true, y_pred):
        self._check_logits(self.name, y_pred)
        targets, known = mark_unknown(y_true, self.unknown_target)
        logits = ops.cast(y_pred, "float32")
        minus_log_p, minus_log_not_p = ops.softplus(-logits), ops.softplus(logits)
        present = minus_log_p * ops.exp(-self.gamma_positive * minus_log_not_p)
        if self.clip:
            shifted = ops.maximum(ops.sigmoid(logits) - self.clip, 0.0)
            # Below the clip the loss is 0, but for gammas under 1 the gradient of the
            # power is not finite: use the power of 1 there.
            base = ops.where(shifted > 0, shifted, 1.0)
            absent = -ops.log1p(-shifted) * ops.power(base, self.gamma_negative)
        else:
            absent = minus_log_not_p * ops.exp(-self.gamma_negative * minus_log_p)
        losses = targets * present + (1 - targets) * absent
        return scale_to_known(losses, known, self.reduction)

    def get_config(self):
        return {
            **super().get_config(),
            "gamma_negative": self.gamma_negative,
            "gamma_positive": self.gamma_positive,
            "clip": self.clip,
            "unknown_target": self.unknown_target,
        }
