"""A loss for missing labels: absent ones that look present count less."""

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses.entry_loss import EntryLoss


@keras.saving.register_keras_serializable(package="kmlic")
class HillLoss(EntryLoss):
    """Computes a loss that down-weights absent labels that look present.

    Where not all labels of an image were marked, an absent label that the model is
    sure of may be missing. With p = sigmoid(logit) the loss of an absent label is
    (lambda - p) p^2, whose gradient rises and then falls as p grows, as a hill does.
    The loss of a present label is the focal loss -(1 - q)^gamma log q of
    q = sigmoid(logit - margin).

    Paper: Zhang et al., "Simple and Robust Loss Design for Multi-Label Learning with
    Missing Labels", 2021, equations 4 and 6, https://arxiv.org/abs/2112.07368. Differs
    from the authors' code: its sum over all entries is here their mean.

    Shapes: targets (B, L) and logits (B, L) to a number; (B, L) with no reduction.

    Args:
        weight: lambda, at least 1; 1.5 makes the gradient 0 at p = 1.
        margin: subtracted from the logits of present labels; the paper recommends 0.5
            to 1.
        gamma: 0 or above.
        name: of the loss.
        **options: see `EntryLoss`. The paper treats all labels that nobody marked as
            absent, `unknown_target=0`, and sums over entries, `reduction="sum"`.

    Raises:
        ValueError: if an argument is out of its limits.

    Example:
        >>> loss = HillLoss()
        >>> round(float(loss([[0.0, -1.0]], keras.ops.zeros((1, 2)))), 4)  # 1 / 4
        0.25
    """

    def __init__(
        self,
        *,
        weight: float = 1.5,
        margin: float = 1.0,
        gamma: float = 2.0,
        name: str = "hill_loss",
        **options,
    ):
        super().__init__(name=name, **options)
        check_number("weight", weight, at_least=1)
        check_number("gamma", gamma, at_least=0)
        self.weight = weight
        self.margin = margin
        self.gamma = gamma

    def entry_losses(self, logits):
        shifted = logits - self.margin
        present = ops.softplus(-shifted) * ops.exp(-self.gamma * ops.softplus(shifted))
        probabilities = ops.sigmoid(logits)
        absent = (self.weight - probabilities) * ops.square(probabilities)
        return present, absent

    def get_config(self):
        return {
            **super().get_config(),
            "weight": self.weight,
            "margin": self.margin,
            "gamma": self.gamma,
        }
