"""Binary cross-entropy over the known labels."""

import keras
from keras import ops

from kmlic.losses.entry_loss import EntryLoss


@keras.saving.register_keras_serializable(package="kmlic")
class PartialBinaryCrossentropy(EntryLoss):
    """Averages the cross-entropy over the known labels of all images of a batch.

    loss = -(w y log p + (1 - y) log(1 - p)) with p = sigmoid(logit), finite for logits
    of any size.

    Paper: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021,
    equation 3 with y+ = y- = 0, https://arxiv.org/abs/2009.14119. Equals torch's
    MultiLabelSoftMarginLoss and, with positive weights, its BCEWithLogitsLoss. MSRN's
    equation 1 sums over the labels and lacks the minus sign; its code computes this
    loss.

    Shapes: targets (B, L) and scores (B, L) to a number; (B, L) with no reduction.

    Args:
        from_logits: whether scores are logits, otherwise probabilities, clipped to
            1e-7.
        name: of the loss.
        **options: see `EntryLoss`, whose `positive_weight` is w.

    Raises:
        ValueError: if an argument is out of its limits.

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
        name: str = "partial_binary_crossentropy",
        **options,
    ):
        super().__init__(name=name, **options)
        self.from_logits = from_logits

    def entry_losses(self, logits):
        if self.from_logits:
            return ops.softplus(-logits), ops.softplus(logits)
        probabilities = ops.clip(logits, 1e-7, 1 - 1e-7)
        return -ops.log(probabilities), -ops.log1p(-probabilities)

    def get_config(self):
        return {**super().get_config(), "from_logits": self.from_logits}
