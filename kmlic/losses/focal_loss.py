"""Cross-entropy that down-weights entries that are nearly right."""

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses.entry_loss import EntryLoss


@keras.saving.register_keras_serializable(package="kmlic")
class FocalLoss(EntryLoss):
    """Computes the cross-entropy of each label, down-weighted by its probability.

    With p the probability that the model assigns to the truth, present or absent, the
    loss of an entry is -w (1 - p)^gamma log p, where w is 1 for an absent label.
    1 - p is computed from the logits, so loss and gradient are finite for logits of any
    size.

    Paper: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equations 4
    and 5, https://arxiv.org/abs/1708.02002. Differs from equation 5: its alpha and 1 -
    alpha are w and 1 here, which scales the loss by 1 / (1 - alpha); alpha = 0.25 is w
    = 1/3. `AsymmetricLoss` has separate exponents for positives and negatives,
    `GroupFocalLoss` is for groups with one label each.

    Shapes: targets (B, L) and logits (B, L) to a number; (B, L) with no reduction.

    Args:
        gamma: 0 or above; 0 is the cross-entropy.
        name: of the loss.
        **options: see `EntryLoss`, whose `positive_weight` is w.

    Raises:
        ValueError: if an argument is out of its limits.

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
        name: str = "focal_loss",
        **options,
    ):
        super().__init__(name=name, **options)
        check_number("gamma", gamma, at_least=0)
        self.gamma = gamma

    def entry_losses(self, logits):
        minus_log_p, minus_log_not_p = ops.softplus(-logits), ops.softplus(logits)
        present = minus_log_p * ops.exp(-self.gamma * minus_log_not_p)
        absent = minus_log_not_p * ops.exp(-self.gamma * minus_log_p)
        return present, absent

    def get_config(self):
        return {
            **super().get_config(),
            "gamma": self.gamma,
        }
