"""Layers that stand alone: one layer per file.

The alphabet of every shape: B images, H and W height and width, C channels, N = H * W
regions, L labels, G groups, D embedding size, S image side.
"""

from kmlic.layers.wildcat_pooling import WildcatPooling

__all__ = [
    "WildcatPooling",
]
