"""The papers' models: one builder per file."""

from kmlic.models.baseline import build_classifier
from kmlic.models.decouplenet import build_decouplenet
from kmlic.models.msrn import build_msrn

__all__ = [
    "build_classifier",
    "build_decouplenet",
    "build_msrn",
]
