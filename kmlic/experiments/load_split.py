"""One split of the dataset of a run, or of another with the same labels."""

from pathlib import Path
from typing import Literal

import tensorflow as tf

from kmlic.datasets import load_dataset
from kmlic.labels import Labels
from kmlic.run_folder import Run

Split = Literal["train", "validation", "test"]


def load_split(
    run: str | Path,
    split: Split,
    *,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    batch_size: int | None = None,
) -> tf.data.Dataset:
    """Loads a split as it was when the run was trained, in order and not augmented.

    Args:
        run: the run folder; its run.json and labels.json are read.
        split: "train", "validation" or "test".
        dataset: name of a dataset; the run's own, read as it was then, when None.
        data_dir: where the dataset lies; the run's own when None.
        batch_size: images in a batch; the run's own when None.

    Raises:
        ValueError: if the dataset's labels are not the run's, naming the first
            difference, or there is no such split.
    """
    if split not in ("train", "validation", "test"):
        raise ValueError(
            f'`split` must be "train", "validation" or "test"; got split={split!r}.'
        )
    record = Run.read(Path(run) / "run.json")
    settings = record.settings
    labels = Labels.read(Path(run) / "labels.json")
    data = load_dataset(
        dataset or settings["dataset"],
        data_dir=data_dir or settings["data_dir"],
        image_size=labels.image_size or settings["image_size"],
        batch_size=batch_size or settings["batch_size"],
        seed=settings["seeds"][0],
        augmentation="none",
        **(record.data.get("options", {}) if dataset is None else {}),
    )
    labels.require_same_names(data.labels)
    return data.train_in_order if split == "train" else getattr(data, split)
