"""Predictions of trained models for image files."""

from typing import TYPE_CHECKING

from kmlic.lazy_package import lazy_package

if TYPE_CHECKING:
    from kmlic.list_images import list_images
    from kmlic.predict.choose_runtime import choose_runtime
    from kmlic.predict.image_text_model import ImageTextModel
    from kmlic.predict.load_image_text_model import load_image_text_model
    from kmlic.predict.load_run import load_run
    from kmlic.predict.load_scorer import load_scorer
    from kmlic.predict.open_vocabulary import OpenVocabulary, load_run_words
    from kmlic.predict.predict_paths import Prediction, predict_paths
    from kmlic.predict.read_boxes import read_boxes
    from kmlic.predict.scorer import Scorer
    from kmlic.predict.write_maps import write_maps
    from kmlic.predict.write_predictions import write_predictions

__all__ = [
    "ImageTextModel",
    "OpenVocabulary",
    "Prediction",
    "Scorer",
    "choose_runtime",
    "list_images",
    "load_image_text_model",
    "load_run",
    "load_run_words",
    "load_scorer",
    "predict_paths",
    "read_boxes",
    "write_maps",
    "write_predictions",
]

lazy_package(__name__)
