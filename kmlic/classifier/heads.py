"""The fourth stage: what stands on the last feature map instead of its averages."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from kmlic.classifier.budget import Budget
from kmlic.classifier.candidate import Candidate, keep, key
from kmlic.classifier.features import Features, mapped_anew, pooled_features
from kmlic.classifier.floor import Floor
from kmlic.classifier.images import Images
from kmlic.classifier.logistic_regression import LinearWeights
from kmlic.classifier.protocol import Protocol
from kmlic.count_noun import count_noun
from kmlic.known_names import Metric
from kmlic.layers import WildcatPooling
from kmlic.models import ACTIVATION_MAPS

PEAKS = "logistic regression with peaks"

_SHARES = (0.1, 0.2, 0.3)
_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
_CENTRED_ON = 256
_BLOCK = 64
# Positions of the last feature map below which its average is as good.
_FEWEST_POSITIONS = 9


def heads(
    images: Images,
    features: Features,
    base: Floor,
    protocol: Protocol,
    folder: Path,
    budget: Budget,
    *,
    metric: Metric = "mAP",
) -> list[Candidate]:
    """Adds the highest values of each label's map to its logit.

    The logistic regression's own weights, applied at every position of the last feature
    map, give a map for each label. The mean of its highest values, times one number,
    is added to the logits. Only that number and the share of the positions are chosen,
    by scores of images that the weights were not fitted to, so that a few hundred
    images suffice.

    Paper: the pooling is that of Durand et al., see `WildcatPooling`, without lowest
    values; adding it to the average is Zhu and Wu, "Residual Attention", ICCV 2021,
    https://arxiv.org/abs/2108.02456. Differs from both: nothing is trained.

    Args:
        images: of all splits.
        features: of all images, with maps.
        base: the logistic regression.
        protocol: what was fitted and what is scored.
        folder: where the result is kept.
        budget: pays for it.
        metric: by which the two numbers are chosen.

    Returns:
        One candidate; none where maps were not kept, have too few positions, or peaks
        are not better than none.
    """
    maps = features.maps
    if maps is None:
        budget.say("heads", "left out: maps of all images would take too much room")
        return []
    positions = int(np.prod(maps.shape[2:4]))
    if positions < _FEWEST_POSITIONS:
        size = count_noun(positions, "position")
        budget.say("heads", f"left out: feature maps have {size} only")
        return []
    kernels = [_map_kernel(weights, base, features) for weights in base.fold_weights]
    name = key("peaks 2", features.fingerprint, metric, *kernels)
    known = keep(
        folder / f"peaks-{name}.npz",
        lambda: _choose(images, maps, base, protocol, kernels, metric),
        budget,
    )
    seconds = float(known["seconds"])
    weight, share = float(known["weight"]), float(known["share"])
    if not weight:
        budget.say("heads", f"peaks of the feature map do not help, in {seconds:.0f} s")
        return []
    kernel = _map_kernel(base.weights, base, features)
    count = _count(share, positions)
    (centre,) = _centre(maps, images.training_rows, kernel, [count])
    bias = base.weights.bias - weight * centre

    def attach(backbone: keras.Model, prefix: str) -> keras.KerasTensor:
        earlier = base.columns.start == 0
        pooled = pooled_features(backbone.outputs, prefix, earlier=earlier)
        dense = keras.layers.Dense(
            len(bias), dtype="float32", name=f"{prefix}averages_logits"
        )
        local = keras.layers.Dense(
            len(bias),
            use_bias=False,
            dtype="float32",
            name=f"{prefix}{ACTIVATION_MAPS}",
        )
        peaks = WildcatPooling(share, 0, dtype="float32", name=f"{prefix}peaks")
        add = keras.layers.Add(dtype="float32", name=f"{prefix}logits")
        logits = add([dense(pooled), peaks(local(backbone.outputs[-1]))])
        dense.set_weights([base.weights.kernel, bias])
        local.set_weights([weight * kernel])
        return logits

    candidate = Candidate(
        PEAKS, known["logits"], base.candidate.seconds + seconds, attach
    )
    value = protocol.describe(images, metric, candidate.logits[0])
    budget.say(
        "heads",
        f"{PEAKS}, {weight:g} times the mean of the highest {share:.0%}: "
        f"{value}, in {seconds:.0f} s",
    )
    return [candidate]


def _map_kernel(weights: LinearWeights, base: Floor, features: Features) -> np.ndarray:
    """Returns the weights of a position: those of its average and of its maximum."""
    last = features.columns(False)
    channels = features.widths[0]
    start = last.start - base.columns.start
    averages = weights.kernel[start : start + channels]
    return averages + weights.kernel[start + channels : start + 2 * channels]


def _choose(
    images: Images,
    maps: np.ndarray,
    base: Floor,
    protocol: Protocol,
    kernels: list[np.ndarray],
    metric: Metric,
) -> dict[str, np.ndarray]:
    positions = int(np.prod(maps.shape[2:4]))
    counts = [_count(share, positions) for share in _SHARES]
    peaks: list[list[np.ndarray]] = []
    for kernel, (rows, scored) in zip(kernels, protocol.folds, strict=True):
        own = [
            np.concatenate(list(_peaks(maps, view, scored, kernel, counts)), axis=1)
            for view in (0, 1)
        ]
        centre = _centre(maps, rows, kernel, counts)[:, None]
        peaks.append([each - centre for each in own])
    plain, mirrored = (
        np.concatenate([fold[view] for fold in peaks], axis=1) for view in (0, 1)
    )
    logits = base.candidate.logits
    bootstrap = protocol.bootstrap(images, metric)
    values = {
        (index, weight): bootstrap.value(logits[0] + weight * plain[index])
        for index in range(len(_SHARES))
        for weight in _WEIGHTS
    }
    index, weight = max(values, key=lambda each: values[each])
    return {
        "logits": np.array(
            [
                logits[0] + weight * plain[index],
                logits[1] + weight * (plain[index] + mirrored[index]) / 2,
            ]
        ),
        "share": np.asarray(_SHARES[index]),
        "weight": np.asarray(weight),
    }


def _peaks(
    maps: np.ndarray,
    view: int,
    rows: np.ndarray,
    kernel: np.ndarray,
    counts: list[int],
) -> Iterator[np.ndarray]:
    """Yields blocks (K, B, L) of the means of the highest values of the maps."""
    channels = maps.shape[-1]
    for start in range(0, len(rows), _BLOCK):
        block = mapped_anew(maps)[view, rows[start : start + _BLOCK]].astype("float32")
        scores = block.reshape(len(block), -1, channels) @ kernel  # (B, P, L)
        ranked = np.sort(scores, axis=1)[:, ::-1]
        yield np.array([ranked[:, :count].mean(axis=1) for count in counts])


def _centre(
    maps: np.ndarray, rows: np.ndarray, kernel: np.ndarray, counts: list[int]
) -> np.ndarray:
    """Returns the mean peaks of images that were fitted to, (K, L)."""
    few = rows[:: max(len(rows) // _CENTRED_ON, 1)]
    blocks = list(_peaks(maps, 0, few, kernel, counts))
    centre: np.ndarray = np.concatenate(blocks, axis=1).mean(axis=1)
    return centre


def _count(share: float, positions: int) -> int:
    return min(max(round(share * positions), 1), positions)  # as WildcatPooling counts
