"""Losses that ignore unknown labels."""

from kmlic.losses.asymmetric_loss import AsymmetricLoss
from kmlic.losses.partial_binary_crossentropy import PartialBinaryCrossentropy

__all__ = ["AsymmetricLoss", "PartialBinaryCrossentropy"]
