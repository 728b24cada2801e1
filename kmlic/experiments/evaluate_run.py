"""Evaluation of a run's model on its own or another dataset."""

import dataclasses
from pathlib import Path
from typing import Unpack

import numpy as np

from kmlic.data.limits import Limits
from kmlic.data.reading_options import ReadingOptions
from kmlic.evaluation.report import Report, report_scores
from kmlic.experiments.load_split import Split, load_split
from kmlic.labels import Labels
from kmlic.predict import load_scorer

_RESAMPLES = 1000


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredSplit:
    """Holds what a run's model predicts for the images of a split.

    Args:
        targets: (N, L) 1 present, 0 absent, -1 unknown.
        probabilities: (N, L) 0-1.
        labels: of the run.
        names: of the images, see `LoadedSplit`.
        groups: of the images, see `LoadedSplit`.
    """

    targets: np.ndarray
    probabilities: np.ndarray
    labels: Labels
    names: np.ndarray
    groups: np.ndarray | None


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

    Images that the model was trained on are not scored, see `load_split`. Metrics have
    95 % intervals from 1,000 draws of the images, or of their groups where the dataset
    has a column group.

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
    scored = score_run(
        run,
        dataset,
        data_dir=data_dir,
        split=split,
        batch_size=batch_size,
        runtime=runtime,
        reading=reading,
        **limits,
    )
    return report_scores(
        scored.targets,
        scored.probabilities,
        scored.labels,
        resamples=_RESAMPLES,
        image_groups=None if scored.groups is None else scored.groups.tolist(),
    )


def score_run(
    run: str | Path,
    dataset: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    split: Split = "test",
    batch_size: int | None = None,
    runtime: str = "keras",
    reading: ReadingOptions | None = None,
    **limits: Unpack[Limits],
) -> ScoredSplit:
    """Loads a run's model and scores the images of a split of a dataset.

    Args:
        run: the run folder.
        dataset: as for `evaluate_run`.
        data_dir: as for `evaluate_run`.
        split: as for `evaluate_run`.
        batch_size: as for `evaluate_run`.
        runtime: as for `evaluate_run`.
        reading: as for `evaluate_run`.
        **limits: as for `evaluate_run`.

    Raises:
        ValueError: see `load_split`.
    """
    loaded = load_split(
        run,
        split,
        dataset=dataset,
        data_dir=data_dir,
        batch_size=batch_size,
        reading=reading,
        **limits,
    )
    scorer = load_scorer(run, runtime=runtime)
    targets, probabilities = scorer.score_dataset(loaded.images)
    return ScoredSplit(
        targets, probabilities, scorer.labels, loaded.names, loaded.groups
    )
