"""Datasets and what feeds them to a model."""

from kmlic.data.augmentation import Augmentation, augment
from kmlic.data.check_images import ImageCheck, check_images
from kmlic.data.decoding import (
    ImageHeader,
    decode_image,
    decode_plain,
    inspect_image,
    read_image,
    read_resized,
    resize_images,
)
from kmlic.data.deepfashion import (
    Deepfashion,
    DeepfashionRow,
    read_deepfashion_groups,
    read_deepfashion_rows,
)
from kmlic.data.from_coco import from_coco
from kmlic.data.from_csv import from_csv
from kmlic.data.from_folder import from_folder
from kmlic.data.from_voc import from_voc
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.inspect_rows import InspectedRows, inspect_rows
from kmlic.data.keep_labels import keep_labels
from kmlic.data.load_apparel import load_apparel
from kmlic.data.load_cifar100 import load_cifar100
from kmlic.data.load_coco2014 import load_coco2014
from kmlic.data.load_dataset import load_dataset
from kmlic.data.load_deepfashion import load_deepfashion, load_deepfashion_images
from kmlic.data.load_nus_wide import load_nus_wide
from kmlic.data.load_street_fashion import load_street_fashion
from kmlic.data.load_tiny_imagenet import load_tiny_imagenet
from kmlic.data.load_voc2007 import load_voc2007
from kmlic.data.multi_label_data import Boxes, MultiLabelData, SkippedRow
from kmlic.data.near_duplicates import near_duplicates, perceptual_hash
from kmlic.data.read_listing import read_listing
from kmlic.data.splits import fold_images, read_splits, split_images
from kmlic.data.street_fashion import StreetFashion, load_street_fashion_builder
from kmlic.data.training_batches import TrainingBatches

__all__ = [
    "Augmentation",
    "Boxes",
    "Deepfashion",
    "DeepfashionRow",
    "ImageCheck",
    "ImageHeader",
    "ImageRow",
    "InspectedRows",
    "Listing",
    "MultiLabelData",
    "SkippedRow",
    "StreetFashion",
    "TrainingBatches",
    "augment",
    "check_images",
    "decode_image",
    "decode_plain",
    "fold_images",
    "from_coco",
    "from_csv",
    "from_folder",
    "from_voc",
    "inspect_image",
    "inspect_rows",
    "keep_labels",
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
    "near_duplicates",
    "perceptual_hash",
    "read_deepfashion_groups",
    "read_deepfashion_rows",
    "read_image",
    "read_listing",
    "read_resized",
    "read_splits",
    "resize_images",
    "split_images",
]
