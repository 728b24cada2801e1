"""A model of images and texts, from a preset of keras-hub."""

from collections.abc import Sequence
from typing import Any

import keras

from kmlic.backbones.load_preset import load_preset
from kmlic.predict.image_text_model import ImageTextModel, require_image_text


def load_image_text_model(name: str, names: Sequence[str]) -> ImageTextModel:
    """Loads a preset that compares images with texts, to score any labels.

    Args:
        name: `keras_hub:` and the name of a preset of SigLIP, SigLIP 2 or CLIP, such as
            keras_hub:siglip2_base_patch16_224, or its folder; or `hf://` and a
            repository.
        names: the labels to score.

    Raises:
        ConnectionError: if the preset cannot be downloaded.
        ImportError: if keras-hub is not installed.
        ValueError: if there is no such preset, or it is of another family.

    Example:
        >>> load_image_text_model("siglip2", ["tiger"])
        Traceback (most recent call last):
        ValueError: `text_model` must begin with keras_hub: or hf://; got siglip2.
    """
    model, preprocessor = load_preset(name, _load, argument="text_model")
    return ImageTextModel(model, preprocessor, names)


def _load(keras_hub: Any, preset: str) -> tuple[keras.Model, Any]:
    model = keras_hub.models.Backbone.from_preset(preset)
    family = require_image_text(model)
    preprocessor = getattr(keras_hub.models, f"{family}Preprocessor")
    return model, preprocessor.from_preset(preset)
