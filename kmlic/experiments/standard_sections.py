"""Report sections that every run has."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import markupsafe
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import precision_recall_curve

from kmlic.count_noun import count_noun
from kmlic.data import MultiLabelData
from kmlic.evaluation.fit_calibration import fit_calibration
from kmlic.evaluation.label_errors import LabelErrors
from kmlic.evaluation.reliability_figure import reliability_figure
from kmlic.evaluation.report import format_mean, report_scores
from kmlic.evaluation.tune_thresholds import tune_thresholds
from kmlic.experiments.confusion_section import confusion_section
from kmlic.experiments.doubtful_section import doubtful_section
from kmlic.experiments.export_section import export_section
from kmlic.experiments.images_at import images_at
from kmlic.experiments.interval_section import interval_section
from kmlic.experiments.label_section import label_section
from kmlic.experiments.map_examples import map_examples
from kmlic.experiments.scored_images import ScoredImages
from kmlic.experiments.setting_rows import setting_rows
from kmlic.experiments.trained import Trained
from kmlic.html_report import COLOURS, Picture, Section
from kmlic.labels import Labels
from kmlic.metrics import average_precision
from kmlic.run_folder import Run

_MAX_CURVES = 60
_CURVES_PER_FIGURE = 5
_MAX_INSIDE = 6  # entries of a legend inside the axes
_LEGEND_LINE = 0.17  # height of a line of a legend in inches
_MAX_SKIPPED = 100
_NUM_ERRORS = 12
_AT_THRESHOLDS = ("CP", "CR", "CF1", "OP", "OR", "OF1", "exact")

Epochs = Mapping[str, Sequence[Sequence[Mapping[str, float]]]]


def standard_sections(
    run: Run,
    data: MultiLabelData,
    labels: Labels,
    folder: Path,
    *,
    epochs: Epochs,
    best: Trained | None = None,
    errors: LabelErrors | None = None,
    extra: Sequence[Section] = (),
) -> list[Section]:
    """Builds the sections on how models compare, where they fail and what was run.

    Args:
        run: the record of the run.
        data: its dataset, of the seed that was exported.
        labels: names and thresholds of the exported model.
        folder: of the exports.
        epochs: model to the values of each epoch, for each seed.
        best: the training whose probabilities are examined; None for no such sections.
        errors: what `find_label_errors` found in the validation split; None if it was
            not run.
        extra: further sections, shown after the comparison.
    """
    sections = [
        _comparison(run, "test", data.labels),
        _comparison(run, "validation", data.labels),
        *([interval_section(run, labels, best.name)] if best else []),
        *extra,
    ]
    if best:
        examined = scored_images(best, labels, data, "validation")
        sections += [
            _labels(run, data, best, scored_images(best, labels, data, "test")),
            confusion_section(examined),
            doubtful_section(examined, errors) if errors else Section("Doubtful"),
        ]
    else:
        sections.append(_per_label(run, data, labels))
    sections.append(_learning_curves(epochs))
    if best:
        if not labels.exclusive:
            sections.append(_thresholds(best, labels))
        sections += [
            _calibration(best),
            _precision_recall(best, labels),
            _largest_errors(best, labels, data),
            _map_examples(best, labels, data),
        ]
    return [
        *sections,
        export_section(run, folder),
        _what_was_run(run, data),
        _settings(run),
        _skipped(data),
    ]


def _comparison(run: Run, split: str, labels: Labels) -> Section:
    results, spreads = run.results[split], run.deviations.get(split, {})
    metrics = list(dict.fromkeys(name for row in results.values() for name in row))
    columns = [
        _mark_best(
            [row.get(metric) for row in results.values()],
            [spreads.get(model, {}).get(metric) for model in results],
        )
        for metric in metrics
    ]
    weights = [
        f"{run.parameters[n]:,}" if run.parameters.get(n) else "-" for n in results
    ]
    rows = [list(cells) for cells in zip(results, *columns, weights, strict=True)]
    images = run.data["sizes"][split]
    seeds = len(run.seeds)
    text = (
        f"{count_noun(images, 'image')}; in percent, with the best of each column in "
        "bold."
    )
    if "exact" in metrics:
        text += f" Labels are predicted by {labels.describe_thresholds()}."
    if seeds > 1:
        text += f" Means and standard deviations of {seeds} seeds."
    if split == "validation":
        text += " Epochs, seeds and thresholds were chosen on this split."
    return Section(
        f"Models on the {split} split", text, ["model", *metrics, "weights"], rows
    )


def scored_images(
    best: Trained, labels: Labels, data: MultiLabelData, split: str
) -> ScoredImages:
    """Returns the images of a split with the scores of a training.

    Args:
        best: the training.
        labels: names and thresholds of the exported model.
        data: its dataset.
        split: "validation" or "test".
    """
    targets, probabilities = best.scores[split]
    batches = data.validation if split == "validation" else data.test
    return ScoredImages(
        count_noun(len(targets), f"{split} image"),
        labels,
        targets,
        probabilities,
        lambda rows: images_at(batches, rows),
        data.paths.get(split, ()),
    )


def _labels(
    run: Run, data: MultiLabelData, best: Trained, tested: ScoredImages
) -> Section:
    others = [name for name in run.per_label["test"] if name != best.name]
    return label_section(
        run,
        tested,
        scored_images(best, tested.labels, data, "validation"),
        split="test",
        models=[best.name, *others],
        training=(data.train_targets == 1).sum(axis=0),
    )


def _per_label(run: Run, data: MultiLabelData, labels: Labels) -> Section:
    results = run.per_label["test"]
    counts = {split: (each == 1).sum(axis=0) for split, each in data.targets.items()}
    rows = [
        [
            name,
            f"{counts['train'][index]:,}",
            f"{counts['test'][index]:,}",
            *_mark_best([row.get(name) for row in results.values()]),
        ]
        for index, name in enumerate(labels.names)
    ]
    text = (
        "For each label: its training and test images, and the average precision of "
        "each model on the test split in percent, or - where no test image has the "
        "label."
    )
    return Section("Labels", text, ["label", "training", "test", *results], rows)


def _learning_curves(epochs: Epochs) -> Section:
    epochs = {model: seeds for model, seeds in epochs.items() if any(seeds)}
    names = dict.fromkeys(
        name
        for seeds in epochs.values()
        for seed in seeds
        for values in seed
        for name in values
    )
    # val_loss is drawn with loss, the settings name the schedule, and single groups,
    # like val_accuracy/sleeve, would take dozens of figures.
    drawn = [
        name
        for name in names
        if name != "learning_rate" and f"val_{name}" not in names and "/" not in name
    ]
    figures = []
    for name in sorted(drawn, key=lambda n: ("loss" in n, n)):
        pair = [(name, "-")]
        if name.removeprefix("val_") in names and name.startswith("val_"):
            pair.append((name.removeprefix("val_"), ":"))
        figure, axes = _axes(name.removeprefix("val_"), "epoch", "")
        for index, (model, seeds) in enumerate(epochs.items()):
            for metric, style in pair:
                for number, seed in enumerate(seeds):
                    values = [row.get(metric, np.nan) for row in seed]
                    axes.plot(
                        range(1, len(values) + 1),
                        values,
                        f"{style}o",
                        markersize=3,
                        color=COLOURS[index % len(COLOURS)],
                        alpha=1 if index < len(COLOURS) else 0.5,
                        label=model if style == "-" and number == 0 else None,
                    )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _add_legend(figure, axes, len(epochs))
        figures.append(figure)
    text = "Solid lines: validation split; dotted lines: training split; one per seed."
    return Section("Learning curves", text if figures else "", figures=figures)


def _thresholds(best: Trained, labels: Labels) -> Section:
    targets, probabilities = best.scores["validation"]
    kinds: dict[str, Any] = {"0.5": 0.5}
    if (targets == 1).any():
        # No label has as many positives, so all take the global one.
        above = len(targets) + 1
        common = tune_thresholds(targets, probabilities, min_positives=above)[0]
        kinds[f"{common:.2f}, the best for all"] = common
    if set(labels.thresholds) != {0.5}:
        kinds["each label's own"] = labels.thresholds
    rows = []
    for kind, thresholds in kinds.items():
        own = dataclasses.replace(
            labels, thresholds=tuple(np.broadcast_to(thresholds, len(labels)).tolist())
        )
        for split in ("validation", "test"):
            metrics = report_scores(*best.scores[split], own).metrics
            values = [f"{100 * metrics[name]:.2f}" for name in _AT_THRESHOLDS]
            rows.append([kind, split, *values])
    text = (
        f"{best.name} at several thresholds. Predictions and exports use "
        f"{labels.describe_thresholds()}, as labels.json says: tuned ones only if they "
        "help images that they were not tuned on. All but 0.5 were tuned on the "
        "validation split, so that its metrics are too high."
    )
    return Section("Thresholds", text, ["threshold", "split", *_AT_THRESHOLDS], rows)


def _calibration(best: Trained) -> Section:
    targets, probabilities = best.scores["validation"]
    if not (targets == 1).any() or not (targets == 0).any():
        return Section("Calibration")
    test_targets, test_probabilities = best.scores["test"]
    drawn = {"as trained": test_probabilities}
    try:
        calibration = fit_calibration(targets, probabilities)
    except ValueError:  # probabilities of a model that has learned nothing
        calibration = None
    if calibration is not None and calibration.lines is not None:
        temperature = 1 / calibration.lines[0, 0]
        drawn[f"temperature {temperature:.2f}"] = calibration(test_probabilities)
    text = (
        "How often labels are present at each predicted probability, on the test "
        "split. The temperature is fitted to the validation split and is not part of "
        "the model."
    )
    return Section(
        "Calibration", text, figures=[reliability_figure(test_targets, drawn)]
    )


def _precision_recall(best: Trained, labels: Labels) -> Section:
    targets, probabilities = best.scores["test"]
    precisions = average_precision(targets, probabilities)
    order = [i for i in np.argsort(precisions, kind="stable") if precisions[i] >= 0]
    text = (
        f"{best.name} on the test split, labels with the lowest average precision "
        "first. A dot marks the label's threshold."
    )
    if len(order) > _MAX_CURVES:
        half = _MAX_CURVES // 2
        text += f" The {half} lowest and the {half} highest of {len(order)} labels."
        order = order[:half] + order[-half:]
    figures = []
    for start in range(0, len(order), _CURVES_PER_FIGURE):
        figure, axes = _axes("", "recall", "precision")
        for colour, index in zip(
            COLOURS, order[start : start + _CURVES_PER_FIGURE], strict=False
        ):
            known = targets[:, index] >= 0
            truth = targets[known, index] == 1
            scores = probabilities[known, index]
            precision, recall, _ = precision_recall_curve(truth, scores)
            axes.plot(
                recall,
                precision,
                drawstyle="steps-post",
                color=colour,
                label=f"{labels.names[index]} {100 * precisions[index]:.1f}",
            )
            called = scores >= labels.thresholds[index]
            if called.any() and not labels.exclusive:
                right = (called & truth).sum()
                axes.plot(right / truth.sum(), right / called.sum(), "o", color=colour)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
        # Curves of hard labels run low, those of easy ones high.
        hard = precisions[order[start]] < 0.5
        axes.legend(
            frameon=False, fontsize=8, loc="upper right" if hard else "lower left"
        )
        figures.append(figure)
    return Section("Precision and recall", text, figures=figures)


def _largest_errors(best: Trained, labels: Labels, data: MultiLabelData) -> Section:
    targets, probabilities = best.scores["validation"]
    clipped = np.clip(probabilities.astype("float64"), 1e-7, 1 - 1e-7)
    losses = -np.log(np.where(targets == 1, clipped, 1 - clipped)) * (targets >= 0)
    means = losses.sum(axis=1) / np.maximum((targets >= 0).sum(axis=1), 1)
    worst = np.argsort(-means, kind="stable")[:_NUM_ERRORS]
    pixels = images_at(data.validation, worst)
    paths = data.paths.get("validation")
    pictures = []
    for index in worst:
        own, truth = probabilities[index], targets[index]
        true = [n for n, t in zip(labels.names, truth, strict=True) if t == 1]
        lines = [
            *([paths[index]] if paths else []),
            f"true: {', '.join(true) or 'none'}",
            f"missed: {_names(labels, own, truth == 1, called=False)}",
            f"wrongly predicted: {_names(labels, own, truth == 0, called=True)}",
        ]
        pictures.append(Picture(pixels[int(index)], "\n".join(lines)))
    text = (
        "The validation images with the largest mean cross-entropy of "
        f"{best.name}, with the probabilities of the labels that it got wrong. Errors "
        "in the targets are often among them. The test split is not shown: do not tune "
        "on it."
    )
    return Section("Largest errors", text, pictures=pictures)


def _map_examples(best: Trained, labels: Labels, data: MultiLabelData) -> Section:
    if best.model_path is None:
        return Section("Maps")
    targets, probabilities = best.scores["validation"]

    def load(rows: np.ndarray) -> np.ndarray:
        found = images_at(data.validation, rows)
        return np.stack([found[int(row)] for row in rows])

    return map_examples(
        best.load_model(),
        labels,
        targets,
        probabilities,
        load,
        shown="validation images",
    )


def _names(
    labels: Labels, probabilities: np.ndarray, among: np.ndarray, *, called: bool
) -> str:
    wrong = among & (labels.predicted(probabilities[None])[0] == called)
    order = np.argsort(-probabilities if called else probabilities, kind="stable")
    found = [f"{labels.names[i]} {probabilities[i]:.2f}" for i in order[wrong[order]]]
    return ", ".join(found) or "none"


def _what_was_run(run: Run, data: MultiLabelData) -> Section:
    environment = run.environment
    machine = environment["machine"]
    unknown = np.mean([(targets < 0).mean() for targets in data.targets.values()])
    facts: dict[str, Any] = {
        "command": markupsafe.Markup("<code>{}</code>").format(run.command),
        "date": environment["date"],
        "commit": environment["commit"] or "-",
        "dataset": run.data["name"],
        "fingerprint": ", ".join(x[:12] for x in run.data["fingerprints"].values()),
        "images": ", ".join(f"{n:,} {s}" for s, n in run.data["sizes"].items()),
        "skipped images": f"{run.data['skipped']:,}",
        "exact copies of images": f"{data.duplicates:,}",
        "labels": f"{len(data.labels):,}",
        "unknown targets": f"{100 * unknown:.1f} %",
        "versions": ", ".join(f"{k} {v}" for k, v in environment["versions"].items()),
        "machine": f"{machine['system']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB",
        "time": f"{run.seconds['all'] / 60:.1f} minutes",
        "peak memory": f"{run.peak_memory_gb} GB",
    }
    return Section("What was run", rows=[[k, v] for k, v in facts.items()])


def _settings(run: Run) -> Section:
    return Section("Settings", rows=setting_rows(run.settings))


def _skipped(data: MultiLabelData) -> Section:
    rows = [[str(row), path, reason] for row, path, reason in data.skipped]
    if not rows:
        return Section("Skipped images")
    text = f"{count_noun(len(rows), 'image')} left out, as `on_error` says."
    if len(rows) > _MAX_SKIPPED:
        text += f" The first {_MAX_SKIPPED}:"
    header = ["row", "image", "reason"]
    return Section("Skipped images", text, header, rows[:_MAX_SKIPPED])


def _axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(3.7, 3.1), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _add_legend(figure: Figure, axes: Axes, entries: int) -> None:
    if entries <= _MAX_INSIDE:
        axes.legend(frameon=False, fontsize=8)
        return
    # Inside they would cover the curves, or leave them no room.
    figure.set_figheight(figure.get_figheight() + _LEGEND_LINE * -(-entries // 2))
    figure.legend(frameon=False, fontsize=8, ncols=2, loc="outside lower center")


def _mark_best(
    values: Sequence[float | None], spreads: Sequence[float | None] | None = None
) -> list[str]:
    """Formats the values of several models in percent, the best in bold."""
    cells = list(map(format_mean, values, spreads or [None] * len(values)))
    rounded = [-np.inf if value is None else round(100 * value, 2) for value in values]
    if len(values) < 2 or max(rounded) == -np.inf:
        return cells
    bold = markupsafe.Markup("<strong>{}</strong>")
    return [
        bold.format(cell) if value == max(rounded) else cell
        for cell, value in zip(cells, rounded, strict=True)
    ]
