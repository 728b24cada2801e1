"""Layers, one per file, that work in any Keras model.

Letters used for shapes: B images, H height, W width, C channels, N = H * W regions, L
labels, G groups, D embedding size, S image side.
"""

from kmlic.layers.category_attention import CategoryAttention
from kmlic.layers.category_space_to_depth import CategorySpaceToDepth
from kmlic.layers.center_zoom import CenterZoom
from kmlic.layers.class_specific_residual_attention import (
    ClassSpecificResidualAttention,
)
from kmlic.layers.constant import Constant
from kmlic.layers.diff_pool import DiffPool
from kmlic.layers.fused_batch_norm import FusedBatchNorm
from kmlic.layers.graph_attention import GraphAttention
from kmlic.layers.group_attention_pooling import GroupAttentionPooling
from kmlic.layers.group_softmax import GroupSoftmax
from kmlic.layers.group_uncertainty import GroupUncertainty
from kmlic.layers.grouped_conv import GroupedConv2D
from kmlic.layers.joint_logits import JointLogits
from kmlic.layers.label_group_embedding import LabelGroupEmbedding
from kmlic.layers.label_similarity import LabelSimilarity
from kmlic.layers.ml_decoder import MLDecoder
from kmlic.layers.query2label import Query2Label
from kmlic.layers.semantic_deconv_embedder import SemanticDeconvEmbedder
from kmlic.layers.semantic_guided_attention import SemanticGuidedAttention
from kmlic.layers.semantic_resize_embedder import SemanticResizeEmbedder
from kmlic.layers.spatial_group_enhance import SpatialGroupEnhance
from kmlic.layers.split_attention import SplitAttention
from kmlic.layers.squeeze_excite import SqueezeExcite
from kmlic.layers.transformer_block import TransformerBlock
from kmlic.layers.wildcat_pooling import WildcatPooling

__all__ = [
    "CategoryAttention",
    "CategorySpaceToDepth",
    "CenterZoom",
    "ClassSpecificResidualAttention",
    "Constant",
    "DiffPool",
    "FusedBatchNorm",
    "GraphAttention",
    "GroupAttentionPooling",
    "GroupSoftmax",
    "GroupUncertainty",
    "GroupedConv2D",
    "JointLogits",
    "LabelGroupEmbedding",
    "LabelSimilarity",
    "MLDecoder",
    "Query2Label",
    "SemanticDeconvEmbedder",
    "SemanticGuidedAttention",
    "SemanticResizeEmbedder",
    "SpatialGroupEnhance",
    "SplitAttention",
    "SqueezeExcite",
    "TransformerBlock",
    "WildcatPooling",
]
