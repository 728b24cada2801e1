"""The papers' models: one builder per file."""

from kmlic.models.baseline import build_classifier

__all__ = [
    "build_classifier",
]
