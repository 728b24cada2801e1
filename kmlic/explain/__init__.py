"""Maps of where in an image a model sees each label."""

from typing import TYPE_CHECKING

from kmlic.lazy_package import lazy_package

if TYPE_CHECKING:
    from kmlic.explain.activation_maps import activation_maps
    from kmlic.explain.draw_map import draw_map
    from kmlic.explain.overlay import overlay
    from kmlic.explain.receptive_field_centers import (
        Centers,
        cell_centers,
        check_centers,
        count_measured,
        find_centers,
        receptive_field_centers,
    )

__all__ = [
    "Centers",
    "activation_maps",
    "cell_centers",
    "check_centers",
    "count_measured",
    "draw_map",
    "find_centers",
    "overlay",
    "receptive_field_centers",
]

lazy_package(__name__)
