"""ResNeSt, residual networks with split attention."""

import dataclasses

from kmlic.backbones.residual_network import ResidualNetwork
from kmlic.backbones.resnet import RESNETS

_RESNEST = ResidualNetwork(
    (3, 4, 6, 3), stem="deep", stem_width=32, radix=2, average_shortcut=True
)

# Names state the settings: 4s2x40d is radix 4, cardinality 2, base width 40.
RESNESTS = {
    "resnest14d": dataclasses.replace(_RESNEST, blocks=(1, 1, 1, 1)),
    "resnest26d": dataclasses.replace(_RESNEST, blocks=(2, 2, 2, 2)),
    "resnest50d": _RESNEST,
    "resnest101e": dataclasses.replace(_RESNEST, blocks=(3, 4, 23, 3), stem_width=64),
    "resnest50d_4s2x40d": dataclasses.replace(
        _RESNEST, radix=4, groups=2, base_width=40, pool_first=True
    ),
    "resnest50d_1s4x24d": dataclasses.replace(
        _RESNEST, radix=1, groups=4, base_width=24, pool_first=True
    ),
    # The small ResNet with split attention in place of each block's second convolution.
    "small_resnest": dataclasses.replace(
        RESNETS["small_resnet"], radix=2, average_shortcut=True
    ),
}
