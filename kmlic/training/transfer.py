"""Weights of one model taken over into another."""

from collections.abc import Sequence

import keras


def transfer_weights(
    source: keras.Model, target: keras.Model, *, anew: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """Copies every weight that both models have under the same path and shape.

    Args:
        source: the trained model.
        target: the model to be trained.
        anew: layers that keep the target's weights, for instance those whose weights
            depend on the labels.

    Returns:
        The paths of the weights that were copied and of those that start anew.

    Raises:
        ValueError: if no weight could be copied.
    """
    theirs = {weight.path: weight for weight in source.weights}
    copied, fresh = [], []
    for weight in target.weights:
        other = theirs.get(weight.path)
        apart = any(name in weight.path.split("/") for name in anew)
        if other is None or apart or tuple(other.shape) != tuple(weight.shape):
            fresh.append(weight.path)
        else:
            weight.assign(other)
            copied.append(weight.path)
    if not copied:
        raise ValueError(
            "`source` must share weights with `target`; got none under the same path "
            f"and shape. The first of `target` is {target.weights[0].path!r}, the "
            f"first of `source` {source.weights[0].path!r}."
        )
    return copied, fresh
