"""Dataset that settings name."""

from pathlib import Path
from typing import Any

from kmlic.data import MultiLabelData
from kmlic.data.read_listing import OWN_IMAGES
from kmlic.datasets import load_dataset
from kmlic.experiments.training_settings import TrainingSettings

_WITH_BOXES = "street_fashion"


def load_data(settings: TrainingSettings, seed: int, **options: Any) -> MultiLabelData:
    """Loads the dataset that settings name.

    Args:
        settings: of the training.
        seed: of the order of training images and of random splits.
        **options: of the dataset's loader, see `kmlic.datasets.load_dataset`.

    Raises:
        ValueError: see `kmlic.datasets.load_dataset`.
    """
    name: str = settings.dataset
    path: str | Path | None = settings.data_dir
    if settings.data is not None:
        name, path = OWN_IMAGES, settings.data
        own = {
            "reading": settings.reading,
            "on_error": settings.on_error,
            "fractions": settings.fractions,
            "num_folds": settings.num_folds,
            "max_bytes": settings.max_bytes,
            "max_pixels": settings.max_pixels,
        }
        options = {**own, **options}
    data = load_dataset(
        name,
        data_dir=path,
        image_size=settings.image_size,
        batch_size=settings.batch_size,
        seed=seed,
        augmentation=settings.augmentation,
        augment_on=settings.augment_on,
        **options,
    )
    empty = [split for split, size in data.sizes.items() if not size]
    if empty and settings.data is not None:
        raise ValueError(
            f"{path} must have images in every split for a recipe; it has none in "
            f"{' and '.join(empty)}. Give some images this split, leave out the splits "
            "and use --fractions, or use kmlic train, which needs no test images."
        )
    return data


def has_boxes(settings: TrainingSettings) -> bool:
    """Returns whether `load_data` takes `boxes=True` for the settings' dataset."""
    if settings.data is not None:
        return settings.reading.layout == "coco"
    return settings.dataset.split("/")[0] == _WITH_BOXES
