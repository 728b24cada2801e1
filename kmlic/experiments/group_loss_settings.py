"""Settings of a loss over exclusive groups of labels."""

import dataclasses
from typing import Literal

from kmlic.check_limits import Fraction, NonNegative
from kmlic.experiments.training_settings import TrainingSettings

GroupLoss = Literal["cross_entropy", "focal", "weighted_focal", "learned"]


@dataclasses.dataclass(frozen=True)
class GroupLossSettings(TrainingSettings):
    """Holds the settings of a loss over exclusive groups of labels."""

    # Exclusive groups have losses of their own.
    loss: GroupLoss = "weighted_focal"  # type: ignore[assignment]
    """weighted_focal: the paper's weights of groups; learned: weights by uncertainty.
    With `positive_weights`, the weights of a group's labels have a mean of 1."""
    gamma: NonNegative = 2.0
    """Focusing parameter of all losses but cross_entropy."""
    label_smoothing: Fraction = 0.0
    prior_strength: NonNegative = 0.0
    """Share of the labels' log frequency added to the logits in training, which makes
    rare labels more probable."""
