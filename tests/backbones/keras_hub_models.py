"""Random small backbones of keras-hub, one per family, for any test of backbones."""

import pytest

SIDE = 64
PATCH = 16  # of the vision transformers, whose maps are 4 x 4
_SIZES = {"num_layers": 4, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}


def build_hub_backbone(family, **changes):
    """Builds a backbone of keras-hub with random weights; nothing is downloaded."""
    models = pytest.importorskip("keras_hub").models
    return {
        "resnet": _resnet,
        "efficientnet": _efficientnet,
        "densenet": lambda models, **options: models.DenseNetBackbone(
            [1] * 4, **options
        ),
        "cspnet": _cspnet,
        "mit": _mit,
        "hgnetv2": _hgnetv2,
        "vit": _vit,
        "dinov2": _dinov2,
        "dinov3": _dinov3,
        "siglip": _siglip,
        "clip": _clip,
    }[family](models, **changes)


PYRAMIDS = ("resnet", "efficientnet", "densenet", "cspnet", "mit", "hgnetv2")
TRANSFORMERS = ("vit", "dinov2", "dinov3", "siglip", "clip")
FIXED = ("vit", "siglip", "clip")  # position embeddings of one size


def _resnet(models, **options):
    return models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 16, 24, 32],
        stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
        **options,
    )


def _efficientnet(models, **options):
    return models.EfficientNetBackbone(
        stackwise_width_coefficients=[0.25] * 7,
        stackwise_depth_coefficients=[1.0] * 7,
        stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
        stackwise_num_repeats=[1] * 7,
        stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
        stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
        stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
        stackwise_squeeze_and_excite_ratios=[0.25] * 7,
        stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
        stackwise_block_types=["v1"] * 7,
        num_features=128,
        **options,
    )


def _cspnet(models, **options):
    return models.CSPNetBackbone(
        stem_filters=8,
        stem_kernel_size=3,
        stem_strides=1,
        stackwise_depth=[1] * 5,
        stackwise_strides=2,
        stackwise_num_filters=[8, 8, 16, 16, 32],
        block_type="dark_block",
        stage_type="csp",
        bottle_ratio=[0.5],
        block_ratio=[0.5],
        **options,
    )


def _mit(models, **options):
    return models.MiTBackbone(
        layerwise_depths=[1] * 4,
        num_layers=4,
        layerwise_num_heads=[1, 1, 2, 2],
        layerwise_sr_ratios=[8, 4, 2, 1],
        max_drop_path_rate=0.0,
        layerwise_patch_sizes=[7, 3, 3, 3],
        layerwise_strides=[4, 2, 2, 2],
        hidden_dims=[8, 8, 16, 16],
        **{"image_shape": (SIDE, SIDE, 3), **options},
    )


def _hgnetv2(models, **options):
    stages = [[8, 8, 16], [16, 8, 24], [24, 8, 32], [32, 8, 40]]
    return models.HGNetV2Backbone(
        depths=[1] * 4,
        embedding_size=8,
        hidden_sizes=[16, 24, 32, 40],
        stem_channels=[3, 8, 8],
        hidden_act="relu",
        use_learnable_affine_block=False,
        stackwise_stage_filters=[[*filters, 1, 1, 3] for filters in stages],
        apply_downsample=[False, True, True, True],
        use_lightweight_conv_block=[False] * 4,
        **options,
    )


def _vit(models, **options):
    sizes = {name: size for name, size in _SIZES.items() if name != "intermediate_dim"}
    shape = {"image_shape": (SIDE, SIDE, 3), "patch_size": PATCH}
    return models.ViTBackbone(**{**shape, **sizes, "mlp_dim": 32, **options})


def _dinov2(models, **options):
    shapes = ("image_shape", "position_embedding_shape")
    sizes = {"patch_size": PATCH, "num_register_tokens": 3, **_SIZES}
    shape = {name: (SIDE, SIDE, 3) for name in shapes}
    return models.DINOV2Backbone(**{**sizes, **shape, **options})


def _dinov3(models, **options):
    shape = {"image_shape": (SIDE, SIDE, 3), "patch_size": PATCH}
    return models.DINOV3Backbone(**{**shape, **_SIZES, **options})


def _siglip(models, **options):
    vision = models.SigLIPVisionEncoder(
        PATCH, **_SIZES, image_shape=(SIDE, SIDE, 3), **options
    )
    text = models.SigLIPTextEncoder(
        256, embedding_dim=16, **_SIZES, max_sequence_length=8
    )
    return models.SigLIPBackbone(vision, text)


def _clip(models, **options):
    vision = models.CLIPVisionEncoder(
        PATCH, **_SIZES, image_shape=(SIDE, SIDE, 3), **options
    )
    text = models.CLIPTextEncoder(
        256, embedding_dim=16, **_SIZES, max_sequence_length=8
    )
    return models.CLIPBackbone(vision, text, projection_dim=16)
