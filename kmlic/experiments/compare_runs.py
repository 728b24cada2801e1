"""Comparison of runs on the same images."""

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.count_noun import count_noun
from kmlic.evaluation.bootstrap import (
    Bootstrap,
    Interval,
    describe_few_positives,
    number_groups,
)
from kmlic.experiments.evaluate_run import score_split
from kmlic.experiments.load_split import LoadedSplit, LoadOptions, Split, load_split
from kmlic.labels import Labels
from kmlic.run_folder import nan_to_none
from kmlic.shorten_names import shorten_names

_RESAMPLES = 1000

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RunComparison:
    """Holds the metrics of several runs on the same images, and their differences.

    Args:
        metrics: run to metric to value with its 95 % interval.
        differences: every run but the first to metric to its difference from the first,
            with its 95 % interval, paired: both runs score the same drawn images.
        thresholds: run to its thresholds, in words.
        images: number of images.
        labels: the labels that all runs have.
        few_positives: labels with so few positives that intervals are too narrow.
    """

    metrics: Mapping[str, Mapping[str, Interval]]
    differences: Mapping[str, Mapping[str, Interval]]
    thresholds: Mapping[str, str]
    images: int
    labels: Sequence[str]
    few_positives: Sequence[str]

    def notes(self) -> list[str]:
        """Returns a sentence on each difference, and on what limits the comparison."""
        first = next(iter(self.metrics))
        lines = [
            f"{run} against {first}: {metric} {difference.describe_difference()}."
            for run, metrics in self.differences.items()
            for metric, difference in metrics.items()
        ]
        lines += [f"{run} predicts by {own}." for run, own in self.thresholds.items()]
        if self.few_positives:
            lines.append(describe_few_positives(self.few_positives))
        return lines

    def write(self, path: str | Path) -> None:
        """Writes the comparison as JSON, atomically; NaN becomes null."""
        content = dataclasses.asdict(self)
        for metrics in content["differences"].values():
            for difference in metrics.values():
                low, high = difference["low"], difference["high"]
                difference["distinguishable"] = low > 0 or high < 0
        text = json.dumps(nan_to_none(content), indent=1, ensure_ascii=False)
        with atomic_write(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def compare_runs(
    runs: Sequence[str | Path],
    dataset: str | Path | None = None,
    *,
    split: Split = "test",
    runtime: str = "keras",
    **options: Unpack[LoadOptions],
) -> RunComparison:
    """Scores several runs on the images that none of them was trained on.

    Each run uses its own thresholds. Labels that not all runs have are left out, as are
    images that are not in the split of every run; both are counted in log messages.

    Args:
        runs: at least two run folders; the others are compared with the first.
        dataset: the images, see `evaluate_run`; each run's own split when None.
        split: "train", "validation", "test" or "all".
        runtime: what runs the models, see `kmlic.predict.load_scorer`.
        **options: of `load_split`, alike for all runs.

    Raises:
        ValueError: if fewer than two different runs are given, they have fewer than two
            images (or groups of them) or no label in common, or other exclusive groups;
            see also `load_split`.
    """
    names = [str(run) for run in runs]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise ValueError(f"`runs` must be at least two different runs; got {names}.")
    # What cannot be compared is refused before the minutes that scoring takes.
    common = _common_labels(
        names, [Labels.read(Path(run) / "labels.json") for run in runs]
    )
    loaded = [load_split(run, split, dataset=dataset, **options) for run in runs]
    keys, rows = _common_images(names, loaded)
    scored = [
        score_split(run, own, runtime) for run, own in zip(runs, loaded, strict=True)
    ]
    columns = [[each.labels.names.index(n) for n in common] for each in scored]
    targets = [
        each.targets[own][:, chosen]
        for each, own, chosen in zip(scored, rows, columns, strict=True)
    ]
    for name, other in zip(names[1:], targets[1:], strict=True):
        if (other != targets[0]).any():
            raise ValueError(
                f"{name} and {names[0]} must be scored on the same targets; "
                f"{(other != targets[0]).any(axis=1).sum()} of {len(keys)} images have "
                "other ones. Name one dataset for both."
            )
    values, few = {}, []
    for name, each, own, chosen in zip(names, scored, rows, columns, strict=True):
        bootstrap = Bootstrap(
            targets[0],
            _choose_labels(each.labels, common),
            groups=None if each.groups is None else each.groups[own].tolist(),
            resamples=_RESAMPLES,
        )
        values[name] = bootstrap.metrics(each.probabilities[own][:, chosen])
        few = bootstrap.few_positives
    first = values[names[0]]
    return RunComparison(
        metrics={
            name: {metric: bootstrap.interval(v) for metric, v in own.items()}
            for name, own in values.items()
        },
        differences={
            name: {
                metric: bootstrap.difference(own[metric], first[metric])
                for metric in first
            }
            for name, own in values.items()
            if name != names[0]
        },
        thresholds={
            name: each.labels.describe_thresholds()
            for name, each in zip(names, scored, strict=True)
        },
        images=len(keys),
        labels=common,
        few_positives=few,
    )


def _common_labels(names: Sequence[str], labels: Sequence[Labels]) -> list[str]:
    if any(each.exclusive for each in labels):
        first, *others = [each.groups if each.exclusive else None for each in labels]
        for name, own in zip(names[1:], others, strict=True):
            if own != first:
                raise ValueError(
                    f"{name} must have the same exclusive groups as {names[0]}; "
                    f"{name} has {_describe_groups(own, first)} and {names[0]} "
                    f"{_describe_groups(first, own)}. Train both with the same groups."
                )
    sets = [set(each.names) for each in labels]
    common = [name for name in labels[0].names if name in set.intersection(*sets)]
    if not common:
        raise ValueError("`runs` must have a label in common; they have none.")
    missing = sorted(set.union(*sets) - set(common))
    if missing:
        _log.warning(
            "%s left out, which not all runs have: %s.",
            count_noun(len(missing), "label"),
            shorten_names(missing),
        )
    return common


def _describe_groups(
    groups: Mapping[str, Sequence[str]] | None,
    other: Mapping[str, Sequence[str]] | None,
) -> str:
    """Counts the groups of a run, with the first that differs from the other's."""
    if groups is None:
        return "none"
    differs = [name for name in groups if other and groups[name] != other.get(name)]
    shown = shorten_names(groups)
    if differs:
        shown = f"{differs[0]}: {shorten_names(groups[differs[0]])}"
    return f"{count_noun(len(groups), 'group')} ({shown})"


def _choose_labels(labels: Labels, names: Sequence[str]) -> Labels:
    """Returns labels with other names left out."""
    if tuple(names) == labels.names:
        return labels
    thresholds = dict(zip(labels.names, labels.thresholds, strict=True))
    return Labels(tuple(names), thresholds=tuple(thresholds[name] for name in names))


def _common_images(
    names: Sequence[str], loaded: Sequence[LoadedSplit]
) -> tuple[list[tuple[str, int]], list[np.ndarray]]:
    """Returns the images of all runs, and their rows in each."""
    numbered = [_number(each.names) for each in loaded]
    keys = [key for key in numbered[0] if all(key in other for other in numbered)]
    rows = [np.array([own[key] for key in keys], int) for own in numbered]
    if len(keys) < 2:
        raise ValueError(_describe_few(names, count_noun(len(keys), "image")))
    for each, own in zip(loaded, rows, strict=True):
        if each.groups is not None and not number_groups(each.groups[own]).any():
            text = f"{count_noun(len(keys), 'image')} of 1 group"
            raise ValueError(_describe_few(names, text))
    dropped = len(set().union(*numbered)) - len(keys)
    if dropped:
        _log.warning(
            "%s left out, on which not all runs can be scored.",
            count_noun(dropped, "image"),
        )
    return keys, rows


def _describe_few(names: Sequence[str], there: str) -> str:
    return (
        f"{' and '.join(names)} must be compared on at least two images, of two groups "
        "where there are groups, that none of them was trained on; the splits that "
        f"were asked for have {there} in common. Give other images as the dataset "
        "DATA, and the split all."
    )


def _number(names: np.ndarray) -> dict[tuple[str, int], int]:
    """Maps each name, and which of its equals it is, to its row."""
    counts: dict[str, int] = {}
    numbered = {}
    for row, name in enumerate(map(str, names)):
        counts[name] = counts.get(name, 0) + 1
        numbered[name, counts[name]] = row
    return numbered
