"""Dataset that settings name."""

from typing import Any

from kmlic.data import MultiLabelData
from kmlic.datasets import load_dataset
from kmlic.experiments.training_settings import TrainingSettings

_OWN_IMAGES = ("csv", "coco", "voc", "folder")
_WITH_BOXES = ("street_fashion", "coco")


def load_data(settings: TrainingSettings, seed: int, **options: Any) -> MultiLabelData:
    """Loads the dataset that settings name.

    Args:
        settings: of the training.
        seed: of the order of training images and of random splits.
        **options: of the dataset's loader, see `kmlic.datasets.load_dataset`.

    Raises:
        ValueError: see `kmlic.datasets.load_dataset`.
    """
    if settings.dataset in _OWN_IMAGES:
        own = {"on_error": settings.on_error, "fractions": settings.fractions}
        options = {**own, **options}
    return load_dataset(
        settings.dataset,
        data_dir=settings.data_dir,
        image_size=settings.image_size,
        batch_size=settings.batch_size,
        seed=seed,
        augmentation=settings.augmentation,
        augment_on=settings.augment_on,
        **options,
    )


def has_boxes(settings: TrainingSettings) -> bool:
    """Returns whether `load_data` takes `boxes=True` for the settings' dataset."""
    return settings.dataset.split("/")[0] in _WITH_BOXES
