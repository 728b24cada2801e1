"""Backbones: models from images to feature maps, one family per file."""

from kmlic.backbones.build_backbone import build_backbone
from kmlic.backbones.freeze_batch_norm import freeze_batch_norm
from kmlic.backbones.keras_hub import build_keras_hub
from kmlic.backbones.residual_network import ResidualNetwork
from kmlic.backbones.resolve_backbone import resolve_backbone
from kmlic.backbones.split_backbone import split_backbone

__all__ = [
    "ResidualNetwork",
    "build_backbone",
    "build_keras_hub",
    "freeze_batch_norm",
    "resolve_backbone",
    "split_backbone",
]
