"""Public datasets, each loaded by its name."""

from typing import TYPE_CHECKING

from kmlic.lazy_package import lazy_package

if TYPE_CHECKING:
    from kmlic.datasets.deepfashion import (
        Deepfashion,
        DeepfashionRow,
        read_deepfashion_groups,
        read_deepfashion_rows,
    )
    from kmlic.datasets.load_apparel import load_apparel
    from kmlic.datasets.load_cifar100 import load_cifar100
    from kmlic.datasets.load_coco2014 import load_coco2014
    from kmlic.datasets.load_dataset import load_dataset
    from kmlic.datasets.load_deepfashion import (
        load_deepfashion,
        load_deepfashion_images,
    )
    from kmlic.datasets.load_nus_wide import load_nus_wide
    from kmlic.datasets.load_tiny_imagenet import load_tiny_imagenet
    from kmlic.datasets.load_voc2007 import load_voc2007
    from kmlic.datasets.street_fashion import (
        StreetFashion,
        load_street_fashion,
        load_street_fashion_builder,
    )

__all__ = [
    "Deepfashion",
    "DeepfashionRow",
    "StreetFashion",
    "load_apparel",
    "load_cifar100",
    "load_coco2014",
    "load_dataset",
    "load_deepfashion",
    "load_deepfashion_images",
    "load_nus_wide",
    "load_street_fashion",
    "load_street_fashion_builder",
    "load_tiny_imagenet",
    "load_voc2007",
    "read_deepfashion_groups",
    "read_deepfashion_rows",
]

lazy_package(__name__)
