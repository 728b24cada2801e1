"""Transfer of weights from one model to another."""

from collections.abc import Sequence

import keras


def transfer_weights(
    source: keras.Model, target: keras.Model, *, skip_layers: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """Copies the weights that have the same path and shape in both models.

    Args:
        source: the trained model.
        target: the model to be trained.
        skip_layers: names of layers whose weights are not copied, for instance because
            they depend on the labels.

    Returns:
        The paths of the weights that were copied and of those that were not.

    Raises:
        ValueError: if no weight could be copied.
    """
    theirs = {weight.path: weight for weight in source.weights}
    copied, kept = [], []
    for weight in target.weights:
        other = theirs.get(weight.path)
        skipped = any(name in weight.path.split("/") for name in skip_layers)
        if other is None or skipped or tuple(other.shape) != tuple(weight.shape):
            kept.append(weight.path)
        else:
            weight.assign(other)
            copied.append(weight.path)
    if not copied:
        raise ValueError(
            "`source` must share weights with `target`; got none under the same path "
            f"and shape. The first of `target` is {target.weights[0].path!r}, the "
            f"first of `source` {source.weights[0].path!r}."
        )
    return copied, kept
