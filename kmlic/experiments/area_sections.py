"""Areas under precision-recall curves, relative to a baseline."""

import numpy as np
from numpy.typing import ArrayLike

from kmlic.evaluation import compare_curves, format_mean, mean_and_deviation
from kmlic.experiments.example_section import example_section
from kmlic.experiments.experiment import SPLITS, Experiment
from kmlic.html_report import Section
from kmlic.metrics import precision_recall_auc

# A label of more than this share of the training images is a majority label.
MAJORITY = 0.05


def area_sections(experiment: Experiment, model: str, baseline: str) -> list[Section]:
    """Compares the areas under each label's precision-recall curve with a baseline's.

    The mean areas and gains also become metrics of the rows. Images with rare labels
    are shown under the model's maps.

    Args:
        experiment: whose trainings are done.
        model: the row that is compared label by label.
        baseline: the row that gains are relative to.
    """
    for split in SPLITS:
        _add_metrics(experiment, split, baseline)
    return [
        *_tables(experiment, model, baseline),
        _curves(experiment, model, baseline),
        example_section(experiment, model, baseline, rare=MAJORITY),
    ]


def _add_metrics(experiment: Experiment, split: str, baseline: str) -> None:
    areas = _areas(experiment, split)
    for index, (seed, data) in enumerate(experiment.data.items()):
        majority = (data.train_targets == 1).mean(axis=0) > MAJORITY
        for name, own in areas.items():
            gain = own[index] / areas[baseline][index] - 1
            values = {
                "PR-AUC": _mean(own[index]),
                "gain": _mean(gain),
                "gain/majority": _mean(gain[majority]),
                "gain/minority": _mean(gain[~majority]),
            }
            experiment.add_metrics(name, seed, split, values)


def _areas(experiment: Experiment, split: str) -> dict[str, np.ndarray]:
    return {
        name: np.array(
            [precision_recall_auc(*each.scores[split]) for each in trainings.values()]
        )
        for name, trainings in experiment.trained.items()
    }  # (seeds, L)


def _tables(experiment: Experiment, model: str, baseline: str) -> list[Section]:
    data = experiment.data[experiment.settings.seeds[0]]
    names, areas = data.labels.names, _areas(experiment, "test")
    shares = (data.train_targets == 1).mean(axis=0)
    gains = {name: each / areas[baseline] - 1 for name, each in areas.items()}
    majority = shares > MAJORITY
    groups = (np.ones_like(majority), majority, ~majority)
    sections = [
        Section(
            "Area under the precision-recall curve",
            f"{model} and {baseline} on the test split, in percent, and the relative "
            "improvement of each seed, averaged.",
            ("label", "training images", baseline, model, "relative improvement"),
            [
                (
                    label,
                    f"{100 * shares[i]:.1f} %",
                    *(_format(areas[name][:, i]) for name in (baseline, model)),
                    _format(gains[model][:, i]),
                )
                for i, label in enumerate(names)
            ],
        ),
        Section(
            "Relative improvement over majority and minority labels",
            "Mean relative improvement of the area over all labels, over the "
            f"{majority.sum()} of {len(names)} labels that more than "
            f"{100 * MAJORITY:.0f} % of the training images have, and over the others, "
            "in percent.",
            ("model", "all labels", "majority", "minority"),
            [
                (name, *(_format([_mean(row[own]) for row in gain]) for own in groups))
                for name, gain in gains.items()
                if name != baseline
            ],
        ),
    ]
    if others := [name for name in areas if name not in (baseline, model)]:
        sections.append(
            Section(
                f"Area minus that of {model}",
                "Difference of the area on the test split in percentage points.",
                ("label", model, *others),
                [
                    (
                        label,
                        _format(areas[model][:, i]),
                        *(_format(areas[n][:, i] - areas[model][:, i]) for n in others),
                    )
                    for i, label in enumerate(names)
                ],
            )
        )
    return sections


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _format(values: ArrayLike) -> str:
    return format_mean(*mean_and_deviation(values), digits=1)


def _curves(experiment: Experiment, model: str, baseline: str) -> Section:
    best = experiment.best_of(model)
    targets, scores = best.scores["test"]
    other = experiment.trained[baseline][best.seed].scores["test"][1]
    figure = compare_curves(
        experiment.data[best.seed].labels.names,
        targets,
        {baseline: other, model: scores},
    )
    text = f"Test split, seed {best.seed}, with the area under each curve."
    return Section("Precision-recall curves", text, figures=[figure])
