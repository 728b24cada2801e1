"""Losses that ignore unknown labels."""

from kmlic.losses.asymmetric_loss import AsymmetricLoss
from kmlic.losses.class_balanced_weights import class_balanced_weights
from kmlic.losses.group_focal_loss import GroupFocalLoss
from kmlic.losses.partial_binary_crossentropy import PartialBinaryCrossentropy

__all__ = [
    "AsymmetricLoss",
    "GroupFocalLoss",
    "PartialBinaryCrossentropy",
    "class_balanced_weights",
]
