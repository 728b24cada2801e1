"""SE-ResNet and SE-ResNeXt of timm and ("legacy") of their Caffe release."""

import dataclasses

from kmlic.backbones.residual_network import ResidualNetwork
from kmlic.layers import SqueezeExcite

_SERESNET = ResidualNetwork((3, 4, 6, 3), attention=SqueezeExcite)
_SERESNEXT = dataclasses.replace(_SERESNET, groups=32, base_width=4)

SERESNETS = {
    "seresnet50": _SERESNET,
    "seresnext50_32x4d": _SERESNEXT,
    "legacy_seresnet50": dataclasses.replace(_SERESNET, caffe=True),
    "legacy_seresnext50_32x4d": dataclasses.replace(_SERESNEXT, caffe=True),
}
