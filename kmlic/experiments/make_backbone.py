"""Backbone that settings name."""

import keras

from kmlic.backbones import build_backbone, freeze_batch_norm, split_backbone
from kmlic.experiments.training_settings import TrainingSettings


def make_backbone(
    settings: TrainingSettings,
    *,
    channels: int = 3,
    stage: int | None = None,
    until: str | None = None,
    include_top: bool = False,
) -> keras.Model:
    """Builds a backbone with the weights that settings name.

    Args:
        settings: of the training.
        channels: of the input images.
        stage: number of the only feature map that is returned, 1 (the finest) to 4;
            None for all.
        until: last layer of the part that is returned, see `split_backbone`; None for
            the complete backbone.
        include_top: see `kmlic.backbones.build_backbone`.

    Raises:
        ValueError: see `build_backbone` and `split_backbone` of `kmlic.backbones`.
    """
    backbone = build_backbone(
        settings.backbone,
        image_size=settings.image_size,
        channels=channels,
        weights=settings.weights,
        include_top=include_top,
    )
    if settings.freezes_batch_norm:
        freeze_batch_norm(backbone)
    if stage is not None:
        feature_map = backbone.outputs[stage - 1]
        backbone = keras.Model(backbone.inputs, feature_map, name=backbone.name)
    return backbone if until is None else split_backbone(backbone, until)[0]
