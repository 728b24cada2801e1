"""The losses and weights of labels that a training command can name."""

import typing
from typing import Any

import keras
import numpy as np

from kmlic.check_choice import check_choice
from kmlic.known_names import LossName, PositiveWeights
from kmlic.losses.asymmetric_loss import AsymmetricLoss
from kmlic.losses.entry_loss import EntryLoss
from kmlic.losses.focal_loss import FocalLoss
from kmlic.losses.hill_loss import HillLoss
from kmlic.losses.label_distribution_aware_margin_loss import (
    LabelDistributionAwareMarginLoss,
)
from kmlic.losses.partial_binary_crossentropy import PartialBinaryCrossentropy
from kmlic.losses.positive_weights import positive_weights as balance
from kmlic.losses.self_paced_loss_correction import SelfPacedLossCorrection
from kmlic.losses.two_way_loss import TwoWayLoss

LOSSES: dict[str, type[keras.Loss]] = {
    "crossentropy": PartialBinaryCrossentropy,
    "focal": FocalLoss,
    "asymmetric": AsymmetricLoss,
    "two_way": TwoWayLoss,
    "hill": HillLoss,
    "self_paced": SelfPacedLossCorrection,
    "ldam": LabelDistributionAwareMarginLoss,
}
# Of the effective numbers that weights are computed from; None for plain numbers.
POSITIVE_WEIGHT_BETAS = {"frequency": None, "effective": 0.999}
_DEFERRED = 0.8  # share of the training before ldam's weights, as in its paper


def make_loss(
    name: LossName,
    targets: np.ndarray,
    *,
    positive_weights: PositiveWeights = "none",
    iterations: keras.Variable | None = None,
    steps_per_epoch: int = 1,
    epochs: int = 1,
) -> keras.Loss:
    """Makes the loss of a training from its name and the training targets.

    Args:
        name: crossentropy, focal, asymmetric, two_way, hill, self_paced or ldam: see
            `PartialBinaryCrossentropy`, `FocalLoss`, `AsymmetricLoss`, `TwoWayLoss`,
            `HillLoss`, `SelfPacedLossCorrection` and
            `LabelDistributionAwareMarginLoss`.
        targets: of the training images (N, L); 1 present, 0 absent, -1 unknown.
        positive_weights: weight of a present label: none (1), frequency (images without
            over images with the label) or effective (the same of effective numbers);
            see `kmlic.losses.positive_weights`. ldam applies it in the last fifth of
            the training.
        iterations: the optimizer's counter of steps, for self_paced, which corrects
            from the second epoch on, and for ldam; None for both from the start.
        steps_per_epoch: 1 or above.
        epochs: 1 or above.

    Raises:
        ValueError: for an unknown name, or weights of two_way, which compares sets of
            labels and has no weight per label.

    Example:
        >>> targets = np.array([[1, 0], [0, 0], [0, 1], [0, 1]])
        >>> loss = make_loss("focal", targets, positive_weights="frequency")
        >>> loss.name, loss.positive_weight
        ('focal_loss', [3.0, 1.0])
    """
    check_choice("loss", name, *LOSSES)
    check_choice(
        "positive_weights", positive_weights, *typing.get_args(PositiveWeights)
    )
    options: dict[str, Any] = {}
    if positive_weights != "none":
        if not issubclass(LOSSES[name], EntryLoss):
            raise ValueError(
                f"`positive_weights` must be none for the loss {name}, which has no "
                f"weight per label; got positive_weights={positive_weights!r}."
            )
        beta = POSITIVE_WEIGHT_BETAS[positive_weights]
        options["positive_weight"] = balance(targets, beta=beta).tolist()
    if name == "self_paced":
        options |= {"step": iterations, "start": steps_per_epoch}
    if name == "ldam":
        counts = [(np.asarray(targets) == value).sum(axis=0) for value in (1, 0)]
        options |= {"positives": counts[0], "negatives": counts[1], "step": iterations}
        options["start"] = int(_DEFERRED * steps_per_epoch * epochs)
    return LOSSES[name](**options)
