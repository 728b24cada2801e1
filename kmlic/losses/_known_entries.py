"""What the losses share: leaving unknown entries out and averaging the others."""

from keras import ops

_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "none", None)


def check_reduction(reduction):
    """Refuses the reductions of Keras that have no meaning for unknown entries."""
    if reduction not in _REDUCTIONS:
        raise ValueError(
            f"`reduction` must be one of {_REDUCTIONS}; got reduction={reduction!r}."
        )


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
