"""The papers' models: one builder per file."""

from kmlic.models.baseline import build_classifier
from kmlic.models.msrn import build_msrn

__all__ = [
    "build_classifier",
    "build_msrn",
]
