"""Datasets and what feeds them to a model."""

from kmlic.data.augmentation import augment
from kmlic.data.check_images import ImageCheck, check_images
from kmlic.data.coco2014 import load_coco2014
from kmlic.data.decoding import (
    ImageHeader,
    decode_image,
    decode_plain,
    inspect_image,
    read_image,
    resize_images,
)
from kmlic.data.from_csv import from_csv
from kmlic.data.load_dataset import load_dataset
from kmlic.data.multi_label_data import MultiLabelData, SkippedRow
from kmlic.data.splits import read_splits, split_images
from kmlic.data.voc2007 import load_voc2007

__all__ = [
    "ImageCheck",
    "ImageHeader",
    "MultiLabelData",
    "SkippedRow",
    "augment",
    "check_images",
    "decode_image",
    "decode_plain",
    "from_csv",
    "inspect_image",
    "load_coco2014",
    "load_dataset",
    "load_voc2007",
    "read_image",
    "read_splits",
    "resize_images",
    "split_images",
]
