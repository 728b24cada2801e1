"""Evaluation of a run's model on its own or another dataset."""

import dataclasses
from pathlib import Path
from typing import Unpack

import numpy as np

from kmlic.evaluation.report import Report, report_scores
from kmlic.experiments.load_split import LoadedSplit, LoadOptions, Split, load_split
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


class ScoreOptions(LoadOptions, total=False):
    """Names the options of `score_run`."""

    split: Split
    runtime: str


def evaluate_run(
    run: str | Path, dataset: str | Path | None = None, **options: Unpack[ScoreOptions]
) -> Report:
    """Loads a run's model and computes every metric on a split of a dataset.

    Images that the model was trained on are not scored, see `load_split`. Metrics have
    95 % intervals from 1,000 draws of the images, or of their groups where the dataset
    has a column group.

    Args:
        run: the run folder.
        dataset: another dataset, see `load_split`; the run's own when None.
        **options: of `score_run`.

    Raises:
        ValueError: see `load_split`.
    """
    scored = score_run(run, dataset, **options)
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
    split: Split = "test",
    runtime: str = "keras",
    **options: Unpack[LoadOptions],
) -> ScoredSplit:
    """Loads a run's model and scores the images of a split of a dataset.

    Args:
        run: the run folder.
        dataset: another dataset, see `load_split`; the run's own when None.
        split: "train", "validation", "test" or "all".
        runtime: what runs the model, see `kmlic.predict.load_scorer`.
        **options: of `load_split`.

    Raises:
        ValueError: see `load_split`.
    """
    return score_split(run, load_split(run, split, dataset=dataset, **options), runtime)


def score_split(
    run: str | Path, loaded: LoadedSplit, runtime: str = "keras"
) -> ScoredSplit:
    """Loads a run's model and scores images that `load_split` loaded for it.

    Args:
        run: the run folder.
        loaded: the images.
        runtime: what runs the model, see `kmlic.predict.load_scorer`.
    """
    scorer = load_scorer(run, runtime=runtime)
    targets, probabilities = scorer.score_dataset(loaded.images)
    return ScoredSplit(
        targets, probabilities, scorer.labels, loaded.names, loaded.groups
    )
