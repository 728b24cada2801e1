"""The papers' models: one builder per file."""

from kmlic.models.baseline import build_classifier
from kmlic.models.decouplenet import build_decouplenet
from kmlic.models.devise import (
    build_devise,
    embedding_part,
    has_embedding,
    score_labels,
)
from kmlic.models.msrn import build_msrn

__all__ = [
    "build_classifier",
    "build_decouplenet",
    "build_devise",
    "build_msrn",
    "embedding_part",
    "has_embedding",
    "score_labels",
]
