"""What every run's report holds."""

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

from kmlic.data import MultiLabelData
from kmlic.evaluation.fit_calibration import fit_calibration
from kmlic.evaluation.reliability_figure import reliability_figure
from kmlic.evaluation.report import report_scores
from kmlic.evaluation.tune_thresholds import tune_thresholds
from kmlic.experiments.images_at import images_at
from kmlic.html_report import COLOURS, Picture, Section
from kmlic.labels import Labels
from kmlic.metrics import average_precision
from kmlic.run_folder import Run

_MOST_CURVES = 60
_MOST_INSIDE = 6  # entries of a legend
_LINE = 0.17  # inches a line of it takes
_CURVES_A_FIGURE = 5
_MOST_SKIPPED = 100
_NUM_ERRORS = 12
_AT_THRESHOLDS = ("CP", "CR", "CF1", "OP", "OR", "OF1", "exact")

Epochs = Mapping[str, Sequence[Sequence[Mapping[str, float]]]]
Scores = Mapping[str, tuple[np.ndarray, np.ndarray]]


def standard_sections(
    run: Run,
    data: MultiLabelData,
    labels: Labels,
    *,
    epochs: Epochs,
    exported: str | None = None,
    scores: Scores | None = None,
    folder: str | Path | None = None,
    extra: Sequence[Section] = (),
) -> list[Section]:
    """Lays out a run: what was run, how the models compare, where they fail.

    Args:
        run: the record of the run.
        data: its dataset, of the seed that was exported.
        labels: names and thresholds of the exported model.
        epochs: model to the values of each epoch, for each seed.
        exported: the model that was exported, or None.
        scores: the exported model's split to targets and probabilities.
        folder: where the exports lie, for their sizes.
        extra: further sections, shown after the comparison.

    """
    sections = [
        _comparison(run, "test"),
        _comparison(run, "validation"),
        *extra,
        _per_label(run, data, labels),
        _learning_curves(epochs),
    ]
    if exported and scores:
        if not labels.exclusive:
            sections.append(_thresholds(exported, labels, scores))
        sections += [
            _calibration(scores),
            _precision_recall(exported, labels, *scores["test"]),
            _largest_errors(exported, labels, data, *scores["validation"]),
        ]
    return [
        *sections,
        _exports(run, folder),
        _what_was_run(run, data),
        _settings(run),
        _skipped(data),
    ]


def _comparison(run: Run, split: str) -> Section:
    results, spreads = run.results[split], run.deviations.get(split, {})
    metrics = list(dict.fromkeys(name for row in results.values() for name in row))
    best = {
        metric: max(
            (_rounded(row.get(metric)) for row in results.values()), default=np.nan
        )
        for metric in metrics
    }
    rows = [
        [
            model,
            *(
                _cell(
                    row.get(metric),
                    spreads.get(model, {}).get(metric),
                    best[metric] if len(results) > 1 else None,
                )
                for metric in metrics
            ),
            f"{run.parameters[model]:,}" if run.parameters.get(model) else "-",
        ]
        for model, row in results.items()
    ]
    images = run.data["sizes"][split]
    seeds = len(run.seeds)
    text = f"{images:,} images; in percent, the best of each column bold."
    if seeds > 1:
        text += f" Means and standard deviations of {seeds} seeds."
    if split == "validation":
        text += " Epochs, seeds and thresholds were chosen on this split."
    return Section(
        f"Models on the {split} split", text, ["model", *metrics, "weights"], rows
    )


def _per_label(run: Run, data: MultiLabelData, labels: Labels) -> Section:
    results = run.per_label["test"]
    rows = []
    for index, name in enumerate(labels.names):
        values = [row.get(name) for row in results.values()]
        best = max(map(_rounded, values), default=np.nan)
        rows.append(
            [
                name,
                *(
                    f"{(data.targets[split][:, index] == 1).sum():,}"
                    for split in ("train", "test")
                ),
                "-" if labels.exclusive else f"{labels.thresholds[index]:.2f}",
                *(_cell(v, None, best if len(values) > 1 else None) for v in values),
            ]
        )
    text = (
        "How many training and test images show each label, the probability from which "
        "the exported model calls it present, and the models' average precision on the "
        "test split in percent; - without positives."
    )
    header = ["label", "training", "test", "threshold", *results]
    return Section("Labels", text, header, rows)


def _learning_curves(epochs: Epochs) -> Section:
    epochs = {model: seeds for model, seeds in epochs.items() if any(seeds)}
    names = dict.fromkeys(
        name
        for seeds in epochs.values()
        for seed in seeds
        for values in seed
        for name in values
    )
    # val_loss is drawn with loss, a schedule is known beforehand, and the values of
    # single groups, like val_accuracy/sleeve, would be dozens.
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
    text = "Lines are the validation split, dots the training split, one per seed."
    return Section("Learning curves", text if figures else "", figures=figures)


def _thresholds(model: str, labels: Labels, scores: Scores) -> Section:
    targets, chances = scores["validation"]
    kinds: dict[str, Any] = {"0.5": 0.5}
    if (targets == 1).any():
        # No label has as many positives, so all take the global one.
        common = tune_thresholds(targets, chances, min_positives=len(targets) + 1)[0]
        kinds[f"{common:.2f}, the best for all"] = common
    kinds["each label's own"] = labels.thresholds
    rows = []
    for kind, thresholds in kinds.items():
        own = dataclasses.replace(
            labels, thresholds=tuple(np.broadcast_to(thresholds, len(labels)).tolist())
        )
        for split in ("validation", "test"):
            metrics = report_scores(*scores[split], own).metrics
            values = [f"{100 * metrics[name]:.2f}" for name in _AT_THRESHOLDS]
            rows.append([kind, split, *values])
    text = (
        f"{model} with one threshold for all labels and with the tuned ones of "
        "labels.json, which predictions and exports use. They were tuned on the "
        "validation split, where they look better than they are."
    )
    return Section("Thresholds", text, ["threshold", "split", *_AT_THRESHOLDS], rows)


def _calibration(scores: Scores) -> Section:
    targets, chances = scores["validation"]
    if not (targets == 1).any() or not (targets == 0).any():
        return Section("Calibration")
    test_targets, test_chances = scores["test"]
    drawn = {"as trained": test_chances}
    try:
        calibration = fit_calibration(targets, chances)
    except ValueError:  # scores of a model that has learned nothing
        calibration = None
    if calibration is not None and calibration.lines is not None:
        temperature = 1 / calibration.lines[0, 0]
        drawn[f"temperature {temperature:.2f}"] = calibration(test_chances)
    text = (
        "Whether probabilities mean what they say, on the test split; the temperature "
        "is fitted to the validation split and not part of the model."
    )
    return Section(
        "Calibration", text, figures=[reliability_figure(test_targets, drawn)]
    )


def _precision_recall(
    model: str, labels: Labels, targets: np.ndarray, probabilities: np.ndarray
) -> Section:
    precisions = average_precision(targets, probabilities)
    order = [i for i in np.argsort(precisions, kind="stable") if precisions[i] >= 0]
    text = (
        f"{model} on the test split, labels with the lowest average precision first. "
        "A dot is where the label's threshold lies."
    )
    if len(order) > _MOST_CURVES:
        half = _MOST_CURVES // 2
        text += f" Of {len(order)} labels the {half} lowest and {half} highest."
        order = order[:half] + order[-half:]
    figures = []
    for start in range(0, len(order), _CURVES_A_FIGURE):
        figure, axes = _axes("", "recall", "precision")
        for colour, index in zip(
            COLOURS, order[start : start + _CURVES_A_FIGURE], strict=False
        ):
            known = targets[:, index] >= 0
            truth = targets[known, index] == 1
            chance = probabilities[known, index]
            precision, recall, _ = precision_recall_curve(truth, chance)
            axes.plot(
                recall,
                precision,
                drawstyle="steps-post",
                color=colour,
                label=f"{labels.names[index]} {100 * precisions[index]:.1f}",
            )
            called = chance >= labels.thresholds[index]
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


def _largest_errors(
    model: str,
    labels: Labels,
    data: MultiLabelData,
    targets: np.ndarray,
    probabilities: np.ndarray,
) -> Section:
    chance = np.clip(probabilities.astype("float64"), 1e-7, 1 - 1e-7)
    losses = -np.log(np.where(targets == 1, chance, 1 - chance)) * (targets >= 0)
    means = losses.sum(axis=1) / np.maximum((targets >= 0).sum(axis=1), 1)
    worst = np.argsort(-means, kind="stable")[:_NUM_ERRORS]
    pixels = images_at(data.validation, worst)
    paths = data.paths.get("validation")
    pictures = []
    for index in worst:
        chances, truth = probabilities[index], targets[index]
        true = [n for n, t in zip(labels.names, truth, strict=True) if t == 1]
        caption = "\n".join(
            [
                *([paths[index]] if paths else []),
                f"true: {', '.join(true) or 'none'}",
                f"missing: {_names(labels, chances, truth == 1, called=False)}",
                f"surplus: {_names(labels, chances, truth == 0, called=True)}",
            ]
        )
        pictures.append(Picture(pixels[int(index)], caption))
    text = (
        f"The images of the validation split with the largest mean cross-entropy of "
        f"{model}, with the probabilities of the labels it got wrong. Wrong labels of "
        "the data show up here first. The test split is not shown: who mends what he "
        "sees there has no test split any more."
    )
    return Section("Largest errors", text, pictures=pictures)


def _names(
    labels: Labels, probabilities: np.ndarray, among: np.ndarray, *, called: bool
) -> str:
    wrong = among & (_called(labels, probabilities) == called)
    order = np.argsort(-probabilities if called else probabilities, kind="stable")
    found = [f"{labels.names[i]} {probabilities[i]:.2f}" for i in order[wrong[order]]]
    return ", ".join(found) or "none"


def _called(labels: Labels, probabilities: np.ndarray) -> np.ndarray:
    if not labels.exclusive:
        return probabilities >= np.asarray(labels.thresholds, probabilities.dtype)
    called = np.zeros(len(labels), bool)
    for columns in labels.exclusive_groups.values():
        called[columns.start + probabilities[columns].argmax()] = True
    return called


def _exports(run: Run, folder: str | Path | None) -> Section:
    rows = []
    for name, difference in run.exports.items():
        row = [name, f"{difference:.1e}"]
        if folder is not None:
            path = Path(folder) / name
            files = path.rglob("*") if path.is_dir() else [path]
            size = sum(file.stat().st_size for file in files if file.is_file())
            row.append(f"{size / 1e6:.1f} MB")
        rows.append(row)
    header = ["export", "largest difference", *(["size"] if folder is not None else [])]
    text = "Difference of a probability from the model's, on images of the test split."
    return Section("Exports", text if rows else "", header if rows else (), rows)


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
        "surplus exact copies": f"{data.duplicates:,}",
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
    rows = [[name, _text(value)] for name, value in run.settings.items()]
    return Section("Settings", rows=rows)


def _skipped(data: MultiLabelData) -> Section:
    rows = [[str(row), path, reason] for row, path, reason in data.skipped]
    text = f"{len(rows):,} images were left out, as asked for."
    if len(rows) > _MOST_SKIPPED:
        text += f" The first {_MOST_SKIPPED}:"
    return Section(
        "Skipped images",
        text if rows else "",
        ["row", "image", "reason"] if rows else (),
        rows[:_MOST_SKIPPED],
    )


def _axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(3.7, 3.1), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _add_legend(figure: Figure, axes: Axes, entries: int) -> None:
    if entries <= _MOST_INSIDE:
        axes.legend(frameon=False, fontsize=8)
        return
    # Inside they would cover the curves, or leave them no room.
    figure.set_figheight(figure.get_figheight() + _LINE * -(-entries // 2))
    figure.legend(frameon=False, fontsize=8, ncols=2, loc="outside lower center")


def _cell(value: float | None, spread: float | None, best: float | None) -> str:
    if value is None:
        return "-"
    text = f"{100 * value:.2f}"
    if spread is not None:
        text += f" ± {100 * spread:.2f}"
    if best is not None and _rounded(value) == best:
        return markupsafe.Markup("<strong>{}</strong>").format(text)
    return text


def _rounded(value: float | None) -> float:
    return -np.inf if value is None else round(100 * value, 2)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)
