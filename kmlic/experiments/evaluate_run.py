"""A run's model evaluated again, on its own dataset or another one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kmlic.evaluation.report import Report, report_scores
from kmlic.experiments.load_split import Split, load_split
from kmlic.predict import load_scorer


def evaluate_run(
    run: str | Path,
    dataset: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    split: Split = "test",
    batch_size: int | None = None,
    runtime: str = "keras",
    reader: Mapping[str, Any] | None = None,
) -> Report:
    """Loads a run's model and computes every metric on a split of a dataset.

    Images that the model was trained on are not scored, see `load_split`.

    Args:
        run: the run folder.
        dataset: see `load_split`, as `data_dir`, `split`, `batch_size` and `reader`.
        data_dir: the folder of the dataset.
        split: "train", "validation", "test" or "all".
        batch_size: images per batch.
        runtime: what runs the model, see `kmlic.predict.load_scorer`.
        reader: how a path is read.

    Raises:
        ValueError: see `load_split`.
    """
    images = load_split(
        run,
        split,
        dataset=dataset,
        data_dir=data_dir,
        batch_size=batch_size,
        reader=reader,
    )
    scorer = load_scorer(run, runtime=runtime)
    return report_scores(*scorer.score_dataset(images), scorer.labels)
