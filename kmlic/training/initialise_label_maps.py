"""First weights of heads that score labels by maps."""

from typing import Literal

import keras
import numpy as np

from kmlic.layers import WildcatPooling
from kmlic.models import LOGITS
from kmlic.training.initialise_bias import initialise_bias


def initialise_label_maps(
    model: keras.Model,
    targets: np.ndarray,
    bias: Literal["frequency", "zero"] = "frequency",
    kernel: Literal["centred", "small", "random"] = "small",
) -> None:
    """Initialises the head of a classifier or DecoupleNet from label frequencies.

    With few images, what random kernels see in them is never unlearned. The kernels
    are not zero either, since a label's maps would then stay the same.

    Shapes: targets (N, L).

    Args:
        model: of `build_classifier` or `build_decouplenet`.
        targets: of the training split: 1 present, 0 absent, -1 unknown.
        bias: "frequency" for logits that start near each label's log-odds.
        kernel: "small" for logits that start nearly alike for all images; "centred" for
            maps of DecoupleNet that each start as a linear layer of the features at
            their own position; "random" as the layers initialise them.
    """
    named = {layer.name: layer for layer in model.layers}
    pool = named[LOGITS]
    gates = [named[name] for name in ("arch1", "arch2") if name in named]
    ends_in = next(n for n in ("space_to_depth", "label_maps", LOGITS) if n in named)
    if kernel != "random":
        if ends_in == "space_to_depth":
            _shrink_maps(named[ends_in], gates, centred=kernel == "centred")
        else:
            layer = named[ends_in]
            layer.kernel.assign(0.1 * layer.kernel.numpy())
    if bias == "frequency":
        gain = 1.0
        if isinstance(pool, WildcatPooling):
            # The pooled value of a map that is one higher everywhere. Each attention
            # adds its share: the sigmoid of the maximum of normalised values, nearer to
            # 1 than to 0, or of a tenth of them.
            gain = (1 + pool.alpha) / (2 if pool.alpha else 1)
            gain *= 1 + (0.9 if kernel == "random" else 0.55) * len(gates)
        initialise_bias(model, targets, layer=ends_in, gain=gain)


def _shrink_maps(
    layer: keras.Layer, gates: list[keras.Layer], *, centred: bool
) -> None:
    kernel = 0.1 * layer.expand.kernel.numpy()
    if centred and layer.upsampling == "transposed":
        centre = kernel[1, 1].copy()
        kernel[:] = 0
        kernel[1, 1] = centre
    layer.expand.kernel.assign(kernel)
    if layer.upsampling is not None:
        kernel = 0.1 * layer.split.kernel.numpy()
        kernel[1, 1] += 1  # the maximum of random maps would be high everywhere
        layer.split.kernel.assign(kernel)
    for gate in gates:
        gate.normalise.gamma.assign(0.1 * gate.normalise.gamma.numpy())
