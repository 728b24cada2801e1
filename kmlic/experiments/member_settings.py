"""Settings of models whose logits are averaged."""

import dataclasses
from typing import Literal

from kmlic.check_limits import Count, Positive
from kmlic.experiments.group_loss_settings import GroupLossSettings


@dataclasses.dataclass(frozen=True)
class MemberSettings(GroupLossSettings):
    """Holds the settings of members that are trained in stages."""

    first_bias: Literal["frequency", "zero"] = "zero"

    members: Count = 1
    """Models trained one after the other, whose logits are averaged."""
    zooms: tuple[Positive, ...] = (1.0,)
    """Shares of the image's sides, around its center, that members see in turn."""
    average_flips: bool = False
    """Whether the model averages the logits of the image and its mirror image."""
    frozen_until: str | None = None
    """Last layer of the backbone that is not trained; None trains all of it."""
    cache_frozen: bool = False
    """Computes the output of the frozen part once and keeps it on disk."""
    include_top: bool = False
    """Whether members take the backbone's 1000 logits instead of its feature maps."""
    head_learning_rate: Positive = 2e-3
