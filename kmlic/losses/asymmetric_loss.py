"""Cross-entropy that down-weights easy negatives more than easy positives."""

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses.entry_loss import EntryLoss


@keras.saving.register_keras_serializable(package="kmlic")
class AsymmetricLoss(EntryLoss):
    """Computes the cross-entropy, down-weighted for easy entries, negatives the most.

    With p = sigmoid(logit) and q = max(p - clip, 0), the loss of a present label is -(1
    - p)^g+ log p and that of an absent one -q^g- log(1 - q), which is 0 below `clip`.
    Powers of (1 - p) are computed from the logits, so loss and gradient are finite for
    logits of any size.

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
        name: of the loss.
        **options: see `EntryLoss`. The paper treats unknown labels as absent,
            `unknown_target=0`; its code sums over entries, `reduction="sum"`.

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
        name: str = "asymmetric_loss",
        **options,
    ):
        super().__init__(name=name, **options)
        check_number("gamma_negative", gamma_negative, at_least=0)
        check_number("gamma_positive", gamma_positive, at_least=0)
        check_number("clip", clip, at_least=0, below=1)
        self.gamma_negative = gamma_negative
        self.gamma_positive = gamma_positive
        self.clip = clip

    def entry_losses(self, logits):
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
        return present, absent

    def get_config(self):
        return {
            **super().get_config(),
            "gamma_negative": self.gamma_negative,
            "gamma_positive": self.gamma_positive,
            "clip": self.clip,
        }
