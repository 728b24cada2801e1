"""A loss for rare labels: the fewer images an entry has, the larger its margin."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses.entry_loss import EntryLoss


@keras.saving.register_keras_serializable(package="kmlic")
class LabelDistributionAwareMarginLoss(EntryLoss):
    """Computes the cross-entropy after margins that are larger for rarer entries.

    A label that n training images have is learned with the margin m = C / n^(1/4): its
    loss where present is softplus(-s (logit - m)). Where absent it is softplus(s (logit
    + m)), with n the images without the label. C makes the largest margin
    `largest_margin`. Weights of present labels apply from a step on (deferred
    re-weighting): before, they would spoil the features.

    Paper: Cao, Wei, Gaidon, Arechiga and Ma, "Learning Imbalanced Datasets with
    Label-Distribution-Aware Margin Loss", NeurIPS 2019, sections 3.1 to 3.3,
    https://arxiv.org/abs/1906.07413. Differs from the paper: its classes exclude one
    another, so that only the margin of the true class counts; here each label is a
    binary problem with the two margins of section 3.1. The authors' code takes s = 30,
    for cosines instead of logits, and weights by effective numbers with beta = 0.9999
    in the last fifth of the training.

    Shapes: targets (B, L) and logits (B, L) to a number; (B, L) with no reduction.

    Args:
        positives: training images with each label (L,); none counts as one.
        negatives: training images without each label (L,).
        largest_margin: margin of the rarest entry, 0 or above, in units of the logits.
        scale: s, above 0.
        step: a variable that counts training steps, such as `optimizer.iterations`;
            None applies the weights from the first step. It is not part of the config.
        start: the step that `positive_weight` applies from.
        name: of the loss.
        **options: see `EntryLoss`.

    Raises:
        ValueError: if an argument is out of its limits or not one per label.

    Example:
        >>> loss = LabelDistributionAwareMarginLoss([1, 16], [16, 1], reduction=None)
        >>> loss.margins[0].tolist()  # of present labels
        [0.5, 0.25]
        >>> logits = keras.ops.array([[0.5, -0.5]])
        >>> [round(float(cost), 4) for cost in loss([[1.0, 0.0]], logits)[0]]  # log 2
        [0.6931, 0.6931]
    """

    def __init__(
        self,
        positives: Sequence[float],
        negatives: Sequence[float],
        *,
        largest_margin: float = 0.5,
        scale: float = 1.0,
        step: keras.Variable | None = None,
        start: int = 0,
        name: str = "label_distribution_aware_margin_loss",
        **options,
    ):
        super().__init__(name=name, **options)
        check_number("largest_margin", largest_margin, at_least=0)
        check_number("scale", scale, above=0)
        check_number("start", start, at_least=0)
        counts = [np.asarray(each, "float64") for each in (positives, negatives)]
        shapes = [each.shape for each in counts]
        if counts[0].ndim != 1 or shapes[0] != shapes[1] or not shapes[0][0]:
            raise ValueError(
                "`positives` and `negatives` must be one number per label; got shapes "
                f"{shapes[0]} and {shapes[1]}."
            )
        if not all((each >= 0).all() for each in counts):
            raise ValueError(
                "`positives` and `negatives` must be numbers of images, 0 or above; "
                f"got {min(each.min() for each in counts):g}."
            )
        self.positives, self.negatives = (each.tolist() for each in counts)
        self.largest_margin = largest_margin
        self.scale = scale
        self.step = step
        self.start = start
        images = np.maximum(counts, 1)
        self.margins = largest_margin * (images.min() / images) ** 0.25  # (2, L)

    def positive_weights(self, shape):
        weights = super().positive_weights(shape)
        if self.step is None:
            return weights
        begun = ops.convert_to_tensor(self.step) >= self.start
        return ops.where(begun, weights, 1.0)

    def entry_losses(self, logits):
        if logits.shape[-1] != len(self.positives):
            raise ValueError(
                f"`positives` must be one per label; got {len(self.positives)} for "
                f"{logits.shape[-1]} labels."
            )
        present, absent = map(ops.convert_to_tensor, self.margins.astype("float32"))
        return (
            ops.softplus(-self.scale * (logits - present)),
            ops.softplus(self.scale * (logits + absent)),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "positives": self.positives,
            "negatives": self.negatives,
            "largest_margin": self.largest_margin,
            "scale": self.scale,
            "start": self.start,
        }
