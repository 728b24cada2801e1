"""What the losses share: leaving unknown entries out and averaging the others."""

import warnings

import keras
import numpy as np
from keras import ops

from kmlic.check_choice import check_choice
from kmlic.check_number import check_number

# Logits of as many entries hardly all lie in 0-1 by chance.
_ENTRIES_THAT_TELL = 64


def check_reduction(reduction):
    """Refuses the reductions of Keras that have no meaning for unknown entries."""
    allowed = ("sum_over_batch_size", "mean", "sum", "none", None)
    check_choice("reduction", reduction, *allowed)


def per_entry(sample_weight):
    """Gives weights of images a second axis, which Keras does not for (B, L) losses.

    Shapes: (B,) to (B, 1); (B, 1) and (B, L) stay.
    """
    if sample_weight is None or len(ops.shape(sample_weight)) != 1:
        return sample_weight
    return ops.expand_dims(sample_weight, axis=1)


def known_entries(y_true):
    """Tells known targets from unknown ones, and makes the unknown ones 0.

    Shapes: (B, L) to targets (B, L) float32 and known (B, L) float32, 1 or 0.
    """
    known = ops.cast(ops.not_equal(y_true, -1), "float32")
    return ops.cast(y_true, "float32") * known, known


def spread(losses, known, reduction):
    """Scales entries so that Keras' mean over all is the mean over the known ones.

    Unknown entries become 0; with none known all do. A sum, and losses that are not
    reduced, stay unscaled.

    Shapes: (B, L) and (B, L) to (B, L) float32.
    """
    losses = losses * known
    if reduction in (None, "none", "sum"):
        return losses
    num_known = ops.maximum(ops.sum(known), 1.0)
    num_entries = ops.cast(ops.size(known), "float32")
    return losses * (num_entries / num_known)


def mark_unknown(y_true, unknown_target, unknown_weight=1.0):
    """Puts a number in the place of unknown targets, or leaves them out.

    Shapes: (B, L) to targets (B, L) float32 and weights (B, L) float32.
    """
    targets, known = known_entries(y_true)
    if unknown_target is None:
        return targets, known
    unknown = 1 - known
    return targets + unknown * unknown_target, known + unknown * unknown_weight


def check_unknown_target(unknown_target):
    """Refuses what is no target to put in the place of unknown ones."""
    if unknown_target is not None:
        check_number("unknown_target", unknown_target, at_least=0, at_most=1)


class LogitsCheck:
    """Warns once of scores that look like probabilities where logits should be.

    In eager code the values tell; in a graph, which has none yet, the operator that the
    scores come from does.
    """

    def __init__(self):
        self._done = False

    def __call__(self, name, scores):
        if self._done:
            return
        self._done = True
        operator = getattr(getattr(scores, "op", None), "type", None)
        found = None
        if operator in ("Sigmoid", "Softmax"):
            found = f"the output of a {operator.lower()}"
        elif _has_values(scores):
            values = ops.convert_to_numpy(scores)
            if (
                values.size >= _ENTRIES_THAT_TELL
                and 0 <= values.min() < values.max() <= 1
            ):
                found = f"values from {values.min():.3g} to {values.max():.3g}"
        if found:
            warnings.warn(
                f"{name} takes logits; got {found}, which look like probabilities. "
                "Leave the sigmoid out of the model: applied twice, it keeps the model "
                "from learning.",
                stacklevel=3,
            )


def _has_values(scores):
    return not isinstance(scores, keras.KerasTensor) and (
        not ops.is_tensor(scores) or hasattr(scores, "numpy")
    )


def check_positive_weight(positive_weight):
    """Refuses what is no weight of present labels."""
    weights = np.asarray(positive_weight, "float64")
    if weights.ndim > 1 or not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError(
            "`positive_weight` must be above 0, one number or one per label; got "
            f"positive_weight={positive_weight}."
        )


def weights_of(positive_weight, scores):
    """Gives the weights of present labels, one or one per label.

    Shapes: () or (L,) float32.
    """
    weights = np.asarray(positive_weight, "float32")
    if weights.ndim and len(weights) != scores.shape[-1]:
        raise ValueError(
            f"`positive_weight` must be one per label; got {len(weights)} for "
            f"{scores.shape[-1]} labels (scores {tuple(scores.shape)})."
        )
    return weights
