"""Datasets and what feeds them to a model."""

from typing import TYPE_CHECKING

from kmlic.lazy_package import lazy_package

if TYPE_CHECKING:
    from kmlic.data.augmentation import Augmentation
    from kmlic.data.check_images import ImageCheck, check_images
    from kmlic.data.convert_listing import convert_listing
    from kmlic.data.dataset_spec import DatasetSpec
    from kmlic.data.decode_plain import decode_plain
    from kmlic.data.decoding import (
        decode_image,
        inspect_image,
        read_image,
        resize_images,
    )
    from kmlic.data.finding import Finding
    from kmlic.data.from_coco import from_coco
    from kmlic.data.from_csv import from_csv
    from kmlic.data.from_dataframe import from_dataframe
    from kmlic.data.from_folder import from_folder
    from kmlic.data.from_path import from_path
    from kmlic.data.from_voc import from_voc
    from kmlic.data.image_header import ImageHeader
    from kmlic.data.image_row import ImageRow, Listing
    from kmlic.data.inspect_rows import InspectedRows, inspect_rows
    from kmlic.data.keep_labels import keep_labels
    from kmlic.data.multi_label_data import Boxes, MultiLabelData, SkippedRow
    from kmlic.data.near_duplicates import near_duplicates, perceptual_hash
    from kmlic.data.read_listing import read_listing
    from kmlic.data.read_resized import read_resized
    from kmlic.data.reading_options import ReadingOptions
    from kmlic.data.splits import fold_images, read_splits, split_images
    from kmlic.data.training_batches import TrainingBatches

__all__ = [
    "Augmentation",
    "Boxes",
    "DatasetSpec",
    "Finding",
    "ImageCheck",
    "ImageHeader",
    "ImageRow",
    "InspectedRows",
    "Listing",
    "MultiLabelData",
    "ReadingOptions",
    "SkippedRow",
    "TrainingBatches",
    "check_images",
    "convert_listing",
    "decode_image",
    "decode_plain",
    "fold_images",
    "from_coco",
    "from_csv",
    "from_dataframe",
    "from_folder",
    "from_path",
    "from_voc",
    "inspect_image",
    "inspect_rows",
    "keep_labels",
    "near_duplicates",
    "perceptual_hash",
    "read_image",
    "read_listing",
    "read_resized",
    "read_splits",
    "resize_images",
    "split_images",
]

lazy_package(__name__)
