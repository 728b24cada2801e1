"""ResNet, and a small one for processors without an accelerator."""

from kmlic.backbones.residual_network import ResidualNetwork

RESNETS = {
    "resnet18": ResidualNetwork((2, 2, 2, 2), bottleneck=False),
    "resnet50": ResidualNetwork((3, 4, 6, 3)),
    "resnet101": ResidualNetwork((3, 4, 23, 3)),
    "small_resnet": ResidualNetwork(
        (1, 1, 1, 1), (32, 64, 128, 256), bottleneck=False, stem="3x3", stem_width=16
    ),
}
