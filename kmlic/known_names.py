"""Names that options may have, known before TensorFlow is imported."""

from typing import Literal

Metric = Literal["mAP", "accuracy"]
# The losses of `kmlic.losses.make_loss`.
LossName = Literal[
    "crossentropy", "focal", "asymmetric", "two_way", "hill", "self_paced", "ldam"
]
PositiveWeights = Literal["none", "frequency", "effective"]
# The logs of `kmlic.training.open_log`, each with an extra of its name.
LogName = Literal["none", "tensorboard", "wandb", "mlflow"]
# What `kmlic train` compares. Logistic regression always is one; its name alone leaves
# all others out.
ModelName = Literal[
    "auto", "logistic_regression", "peaks", "discriminant", "fine_tuned"
]
Precision = Literal["auto", "float32", "bfloat16"]

# The datasets of `kmlic.datasets.load_dataset`, without that of own images.
DATASETS = (
    *(
        f"street_fashion{size}{labels}"
        for size in ("", "/tiny")
        for labels in ("", "/patterns", "/attributes")
    ),
    "deepfashion_attributes",
    "deepfashion_attributes/patterns",
    "voc2007",
    "coco2014",
    "nus_wide",
    "apparel",
    "tiny_imagenet",
    "cifar100",
)

# The backbones of `kmlic.backbones.build_backbone`, beside presets of keras-hub.
PACKAGED_BACKBONES = ("efficientnet_lite0", "efficientnet_lite2")
SMALL_BACKBONES = ("small_cnn", "small_resnet", "small_resnest")  # only without weights
HUGGING_FACE_BACKBONES = (
    "resnet18",
    "resnet50",
    "resnet101",
    "sge_resnet50",
    "seresnet50",
    "seresnext50_32x4d",
    "legacy_seresnet50",
    "legacy_seresnext50_32x4d",
    "resnest14d",
    "resnest26d",
    "resnest50d",
    "resnest101e",
    "resnest50d_4s2x40d",
    "resnest50d_1s4x24d",
)
KERAS_BACKBONES = (
    "mobilenet",
    "mobilenet_v2",
    "resnet152",
    *(f"resnet{depth}_v2" for depth in (50, 101, 152)),
    "vgg16",
    "vgg19",
    "xception",
    *(f"densenet{depth}" for depth in (121, 169, 201)),
    *(f"efficientnet_b{size}" for size in range(8)),
    *(f"efficientnet_v2_{size}" for size in ("b0", "b1", "b2", "b3", "s", "m", "l")),
    *(f"convnext_{size}" for size in ("tiny", "small", "base", "large", "xlarge")),
)
BACKBONES = (
    *PACKAGED_BACKBONES,
    *SMALL_BACKBONES,
    *HUGGING_FACE_BACKBONES,
    *KERAS_BACKBONES,
)
