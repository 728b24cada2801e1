"""A run folder's model judged again, on its own dataset or another."""

from pathlib import Path

from kmlic.evaluation.report import Report, report_scores
from kmlic.experiments.load_split import Split, load_split
from kmlic.predict import load_scorer


def evaluate_run(
    run: str | Path,
    *,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    split: Split = "test",
    batch_size: int | None = None,
    runtime: str = "keras",
) -> Report:
    """Loads a run's model and computes every metric on a split of a dataset.

    Args:
        run: the run folder.
        dataset: name of a dataset; the run's own when None.
        data_dir: where the dataset lies; the run's own when None.
        split: "train", "validation" or "test".
        batch_size: images scored at once; the run's own when None.
        runtime: what computes, see `kmlic.predict.load_scorer`.

    Raises:
        ValueError: if the dataset's labels are not the run's, naming the first
            difference, or there is no such split.
    """
    scorer = load_scorer(run, runtime=runtime)
    images = load_split(
        run, split, dataset=dataset, data_dir=data_dir, batch_size=batch_size
    )
    return report_scores(*scorer.score_dataset(images), scorer.labels)
