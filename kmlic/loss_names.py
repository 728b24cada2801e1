"""Names of losses, for settings that are read before TensorFlow is imported."""

from typing import Literal

# The losses of `kmlic.losses.make_loss`.
LossName = Literal[
    "crossentropy", "focal", "asymmetric", "two_way", "hill", "self_paced", "ldam"
]
PositiveWeights = Literal["none", "frequency", "effective"]
