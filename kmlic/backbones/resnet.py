"""ResNet, also with spatial group-wise enhance, and a small one for CPUs."""

from kmlic.backbones.residual_network import ResidualNetwork
from kmlic.layers import SpatialGroupEnhance

RESNETS = {
    "resnet18": ResidualNetwork((2, 2, 2, 2), bottleneck=False),
    "resnet50": ResidualNetwork((3, 4, 6, 3)),
    "resnet101": ResidualNetwork((3, 4, 23, 3)),
    "sge_resnet50": ResidualNetwork((3, 4, 6, 3), attention=SpatialGroupEnhance),
    # For training from scratch on two cores, on images of about 100 pixels.
    "small_resnet": ResidualNetwork(
        (1, 1, 1, 1), (32, 64, 128, 256), bottleneck=False, stem="5x5", stem_width=32
    ),
}
