"""Models of the papers, one builder per file."""

from kmlic.models._names import (
    ACTIVATION_MAPS,
    ATTENTION,
    EMBEDDING,
    EXPORT_LAYER,
    LOGITS,
    POOL,
)
from kmlic.models.attribute_classifier import build_attribute_classifier
from kmlic.models.average_models import average_models
from kmlic.models.classifier import build_classifier
from kmlic.models.csra import build_csra
from kmlic.models.decouplenet import build_decouplenet
from kmlic.models.devise import (
    build_devise,
    embedding_part,
    has_embedding,
    part_above_pool,
    score_labels,
)
from kmlic.models.joint_model import JointModel
from kmlic.models.load_model import load_model
from kmlic.models.ml_decoder import build_ml_decoder
from kmlic.models.msrn import build_msrn
from kmlic.models.query2label import build_query2label
from kmlic.models.semantic_resnest import build_cam_generator, build_semantic_resnest

__all__ = [
    "ACTIVATION_MAPS",
    "ATTENTION",
    "EMBEDDING",
    "EXPORT_LAYER",
    "LOGITS",
    "POOL",
    "JointModel",
    "average_models",
    "build_attribute_classifier",
    "build_cam_generator",
    "build_classifier",
    "build_csra",
    "build_decouplenet",
    "build_devise",
    "build_ml_decoder",
    "build_msrn",
    "build_query2label",
    "build_semantic_resnest",
    "embedding_part",
    "has_embedding",
    "load_model",
    "part_above_pool",
    "score_labels",
]
