"""Evaluation of a run's model on its own or another dataset."""

from pathlib import Path
from typing import Unpack

from kmlic.data.decoding import Limits
from kmlic.data.reading_options import ReadingOptions
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
    reading: ReadingOptions | None = None,
    **limits: Unpack[Limits],
) -> Report:
    """Loads a run's model and computes every metric on a split of a dataset.

    Images that the model was trained on are not scored, see `load_split`.

    Args:
        run: the run folder.
        dataset: another dataset, see `load_split`; the run's own when None.
        data_dir: folder of the dataset.
        split: "train", "validation", "test" or "all".
        batch_size: images per batch; the run's own when None.
        runtime: what runs the model, see `kmlic.predict.load_scorer`.
        reading: how a path is read, see `load_split`.
        **limits: of the image files, see `load_split`.

    Raises:
        ValueError: see `load_split`.
    """
    images = load_split(
        run,
        split,
        dataset=dataset,
        data_dir=data_dir,
        batch_size=batch_size,
        reading=reading,
        **limits,
    )
    scorer = load_scorer(run, runtime=runtime)
    return report_scores(*scorer.score_dataset(images), scorer.labels)
