"""Losses that ignore unknown labels."""

from kmlic.losses.asymmetric_loss import AsymmetricLoss
from kmlic.losses.class_balanced_weights import class_balanced_weights
from kmlic.losses.cosine_margin import CosineMargin
from kmlic.losses.focal_loss import FocalLoss
from kmlic.losses.group_focal_loss import GroupFocalLoss
from kmlic.losses.hinge_rank import HingeRank
from kmlic.losses.partial_binary_crossentropy import PartialBinaryCrossentropy
from kmlic.losses.positive_weights import positive_weights
from kmlic.losses.softmax_rank import SoftmaxRank

__all__ = [
    "AsymmetricLoss",
    "CosineMargin",
    "FocalLoss",
    "GroupFocalLoss",
    "HingeRank",
    "PartialBinaryCrossentropy",
    "SoftmaxRank",
    "class_balanced_weights",
    "positive_weights",
]
