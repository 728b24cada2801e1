"""A run folder's model judged again, on its own dataset or another."""

from pathlib import Path

from kmlic.data import load_dataset
from kmlic.evaluation.report import Report, evaluate
from kmlic.predict import load_run
from kmlic.run_folder import Run


def evaluate_run(
    run: str | Path,
    *,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    split: str = "test",
    batch_size: int | None = None,
) -> Report:
    """Loads a run's model and computes every metric on a split of a dataset.

    Args:
        run: the run folder.
        dataset: name of a dataset; the run's own when None.
        data_dir: where the dataset lies; the run's own when None.
        split: "train", "validation" or "test".
        batch_size: images scored at once; the run's own when None.

    Raises:
        ValueError: if the dataset's labels are not the run's, naming the first
            difference, or there is no such split.
    """
    if split not in ("train", "validation", "test"):
        raise ValueError(
            f'`split` must be "train", "validation" or "test"; got split={split!r}.'
        )
    record = Run.read(Path(run) / "run.json")
    model, labels = load_run(run)
    data = load_dataset(
        dataset or record.settings["dataset"],
        data_dir=data_dir or record.settings["data_dir"],
        image_size=labels.image_size or record.settings["image_size"],
        batch_size=batch_size or record.settings["batch_size"],
        seed=record.settings["seeds"][0],
        augmentation="none",
    )
    labels.require_same_names(data.labels)
    dataset_split = data.train_in_order if split == "train" else getattr(data, split)
    return evaluate(model, dataset_split, labels)
