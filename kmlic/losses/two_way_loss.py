"""Contrast of present and absent labels of an image and of a label."""

import math

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses._known_entries import LogitsCheck, check_reduction, nan_where_wrong

# Below every logit, and finite in float32 after any temperature.
_NOWHERE = -1e30


@keras.saving.register_keras_serializable(package="kmlic")
class TwoWayLoss(keras.Loss):
    """Compares present with absent labels, within images and within labels.

    The loss of a set of entries is softplus(Tn logsumexp(n / Tn) + Tp logsumexp(-p /
    Tp)) with the logits p of its present and n of its absent entries: it is small if
    the lowest present logit exceeds the highest absent one. The sets are all labels of
    one image and all images of one label in the batch. The result is the mean over the
    images with a present label plus the mean over the labels with a present image. A
    set without absent entries has the loss 0. Computed in float32 under every precision
    policy.

    Paper: Kobayashi, "Two-way Multi-Label Loss", CVPR 2023, equations 8 to 12,
    https://openaccess.thecvf.com/content/CVPR2023/html/Kobayashi_Two-Way_Multi-Label_Loss_CVPR_2023_paper.html.
    Differs from the paper: unknown entries are in no set.
    With several replicas the images of a label are those of the replica's batch.

    Shapes: targets (B, L) and logits (B, L) to a number; (B,) with no reduction.

    Args:
        positive_temperature: Tp, above 0. The larger it is, the more the other present
            entries of a set count beside the lowest one.
        negative_temperature: Tn, above 0; the same for absent entries.
        reduction: "sum_over_batch_size" or "mean" is the paper's loss, None returns
            one number per image whose mean that is, "sum" sums them.

    Raises:
        ValueError: if a temperature is not above 0, or weights are not one per image.

    Example:
        >>> loss = TwoWayLoss()
        >>> logits = keras.ops.array([[2.0, -1.0, 7.0]])
        >>> round(float(loss([[1.0, 0.0, -1.0]], logits)), 4)  # log(1 + e^-3)
        0.0486
    """

    def __init__(
        self,
        *,
        positive_temperature: float = 4.0,
        negative_temperature: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "two_way_loss",
        **kwargs,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **kwargs)
        for argument, value in (
            ("positive_temperature", positive_temperature),
            ("negative_temperature", negative_temperature),
        ):
            check_number(argument, value, above=0, below=math.inf)
        self.positive_temperature = positive_temperature
        self.negative_temperature = negative_temperature
        self._check_logits = LogitsCheck()

    def __call__(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            shape = ops.shape(sample_weight)
            if len(shape) > 1 and shape[1] != 1:
                raise ValueError(
                    "`sample_weight` must be one per image, as the loss is of sets of "
                    f"entries; got shape {tuple(shape)}."
                )
            sample_weight = ops.reshape(sample_weight, (-1,))
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        self._check_logits(self.name, y_pred)
        logits = ops.cast(y_pred, "float32")
        targets = ops.cast(y_true, "float32")
        present, absent = targets > 0, targets == 0
        of_images, images = self._contrast(logits, present, absent, axis=1)
        wrong = nan_where_wrong(y_true, ops.zeros_like(logits))
        of_images = of_images + ops.sum(wrong, axis=1)
        of_labels, labels = self._contrast(logits, present, absent, axis=0)
        num_images = ops.cast(ops.shape(logits)[0], "float32")
        # Keras' mean over all images becomes a mean over those with a present label.
        of_images = of_images * num_images / ops.maximum(ops.sum(images), 1.0)
        return of_images + ops.sum(of_labels) / ops.maximum(ops.sum(labels), 1.0)

    def _contrast(self, logits, present, absent, axis):
        """Returns the loss of each set, and 1 for the sets with a present entry."""
        highest_absent = _soft_maximum(logits, absent, self.negative_temperature, axis)
        lowest_present = -_soft_maximum(
            -logits, present, self.positive_temperature, axis
        )
        has_present = ops.cast(ops.any(present, axis=axis), "float32")
        return ops.softplus(highest_absent - lowest_present) * has_present, has_present

    def get_config(self):
        return {
            **super().get_config(),
            "positive_temperature": self.positive_temperature,
            "negative_temperature": self.negative_temperature,
        }


def _soft_maximum(values, mask, temperature, axis):
    masked = ops.where(mask, values / temperature, _NOWHERE)
    return ops.logsumexp(masked, axis=axis) * temperature
