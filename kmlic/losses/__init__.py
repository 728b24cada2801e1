"""Losses that ignore unknown labels."""

from kmlic.losses.asymmetric_loss import AsymmetricLoss
from kmlic.losses.class_balanced_weights import class_balanced_weights
from kmlic.losses.cosine_margin import CosineMargin
from kmlic.losses.entry_loss import EntryLoss
from kmlic.losses.focal_loss import FocalLoss
from kmlic.losses.group_focal_loss import GroupFocalLoss
from kmlic.losses.hill_loss import HillLoss
from kmlic.losses.hinge_rank import HingeRank
from kmlic.losses.label_distribution_aware_margin_loss import (
    LabelDistributionAwareMarginLoss,
)
from kmlic.losses.make_loss import make_loss
from kmlic.losses.partial_binary_crossentropy import PartialBinaryCrossentropy
from kmlic.losses.positive_weights import positive_weights
from kmlic.losses.self_paced_loss_correction import SelfPacedLossCorrection
from kmlic.losses.softmax_rank import SoftmaxRank
from kmlic.losses.two_way_loss import TwoWayLoss

__all__ = [
    "AsymmetricLoss",
    "CosineMargin",
    "EntryLoss",
    "FocalLoss",
    "GroupFocalLoss",
    "HillLoss",
    "HingeRank",
    "LabelDistributionAwareMarginLoss",
    "PartialBinaryCrossentropy",
    "SelfPacedLossCorrection",
    "SoftmaxRank",
    "TwoWayLoss",
    "class_balanced_weights",
    "make_loss",
    "positive_weights",
]
