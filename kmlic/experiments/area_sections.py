"""Areas under precision-recall curves, relative to a baseline."""

import numpy as np

from kmlic.data import MultiLabelData
from kmlic.evaluation import compare_curves, format_mean, mean_and_deviation
from kmlic.experiments.example_section import example_section
from kmlic.experiments.experiment import SPLITS, Experiment
from kmlic.html_report import Section
from kmlic.metrics import precision_recall_auc

# A majority label is one of more than this share of the training images.
MAJORITY = 0.05


def area_sections(experiment: Experiment, model: str, baseline: str) -> list[Section]:
    """Compares the areas under each label's precision-recall curve with a baseline's.

    The mean areas and their relative gains also become metrics of the rows. Images
    with rare labels are shown under the model's maps.

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
        majority = _shares(data) > MAJORITY
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


def _shares(data: MultiLabelData) -> np.ndarray:
    return (data.train_targets == 1).mean(axis=0)


def _mean(values: np.ndarray) -> float:
    return np.nan if np.isnan(values).all() else float(np.nanmean(values))


def _format(values: np.ndarray) -> str:
    return format_mean(*mean_and_deviation(values), digits=1)


def _tables(experiment: Experiment, model: str, baseline: str) -> list[Section]:
    data = experiment.data[experiment.settings.seeds[0]]
    areas, shares = _areas(experiment, "test"), _shares(data)
    gain = areas[model] / areas[baseline] - 1
    others = [name for name in areas if name not in (baseline, model)]
    per_label, differences = [], []
    for i, label in enumerate(data.labels.names):
        cells = (_format(each[:, i]) for each in (areas[baseline], areas[model], gain))
        per_label.append((label, f"{100 * shares[i]:.1f} %", *cells))
        own = areas[model][:, i]
        cells = (_format(areas[name][:, i] - own) for name in others)
        differences.append((label, _format(own), *cells))
    keys = ("gain", "gain/majority", "gain/minority")
    gains = [
        (name, *(format_mean(mean.metrics[k], std.metrics[k], digits=1) for k in keys))
        for name, (mean, std) in experiment.compare("test").items()
        if name != baseline
    ]
    sections = [
        Section(
            "Area under the precision-recall curve",
            f"{model} and {baseline} on the test split, in percent, and the relative "
            "improvement, averaged over seeds.",
            ("label", "training images", baseline, model, "relative improvement"),
            per_label,
        ),
        Section(
            "Relative improvement over majority and minority labels",
            "Mean relative improvement of the area on the test split, in percent: over "
            f"all labels, over those of more than {100 * MAJORITY:.0f} % of the "
            f"training images ({(shares > MAJORITY).sum()} of {len(shares)} labels), "
            "and over the others.",
            ("model", "all labels", "majority", "minority"),
            gains,
        ),
    ]
    if others:
        title = f"Area minus that of {model}"
        text = f"{model} in percent, the differences in percentage points, test split."
        header = ("label", model, *others)
        sections.append(Section(title, text, header, differences))
    return sections


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
