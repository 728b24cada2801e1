"""The metrics of a trained model on a split, and tables of them."""

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike
from rich.table import Table

from kmlic.evaluation.bootstrap import (
    Bootstrap,
    Interval,
    describe_few_positives,
)
from kmlic.labels import Labels
from kmlic.metrics import attribute_accuracy, average_precision, precision_recall_f1
from kmlic.training import predict_scores

_MOST_COLUMNS = 4
_PARTS_OF_F1 = ("CP", "CR", "OP", "OR")


@dataclasses.dataclass(frozen=True)
class Report:
    """Holds the metrics of one model on one split.

    Args:
        metrics: name to value, 0-1: mAP, CP, CR, CF1, OP, OR, OF1 at the labels'
            thresholds, the same with `@3` for the three highest scores, `mAP/<group>`
            for each group of labels, and `exact` for images with all labels right. For
            exclusive groups: those of `attribute_accuracy`, mAP and `exact`.
        per_label: label to average precision; NaN without positives.
        images: number of images.
        thresholds: from which probability a label is predicted, in words.
        intervals: metric to its 95 % interval; metrics without one are left out.
        label_intervals: label to the 95 % interval of its average precision.
        few_positives: labels with so few positives that they have no interval, and
            that those of the means are too narrow; see `Bootstrap`.
        above_half: metric to its difference from that at a threshold of 0.5 for every
            label.
    """

    metrics: Mapping[str, float]
    per_label: Mapping[str, float]
    images: int
    thresholds: str = ""
    intervals: Mapping[str, Interval] = dataclasses.field(default_factory=dict)
    label_intervals: Mapping[str, Interval] = dataclasses.field(default_factory=dict)
    few_positives: Sequence[str] = ()
    above_half: Mapping[str, Interval] = dataclasses.field(default_factory=dict)

    @property
    def labels_without_positives(self) -> list[str]:
        """Returns the labels that are left out of the mean average precision."""
        return [name for name, value in self.per_label.items() if np.isnan(value)]

    def describe_intervals(self) -> dict[str, dict[str, dict[str, float]]]:
        """Returns the intervals of metrics and labels as run.json holds them."""
        return {
            name: {key: dataclasses.asdict(each) for key, each in own.items()}
            for name, own in (
                ("intervals", self.intervals),
                ("label_intervals", self.label_intervals),
            )
        }

    def notes(self) -> list[str]:
        """Returns sentences on the thresholds and on what limits the metrics."""
        lines = []
        if self.thresholds:
            lines.append(f"Labels are predicted by {self.thresholds}.")
        if self.intervals:
            lines.append("In brackets: 95 % intervals, over draws of the images.")
        lines += [
            f"{name} against a threshold of 0.5 for every label: "
            f"{difference.describe_difference()}."
            for name, difference in self.above_half.items()
        ]
        if self.few_positives:
            lines.append(describe_few_positives(self.few_positives))
        if self.labels_without_positives:
            names = ", ".join(self.labels_without_positives)
            lines.append(f"Left out of mAP, for no image shows them: {names}.")
        return lines


def evaluate(
    model: keras.Model, dataset: tf.data.Dataset, labels: Labels | None = None
) -> Report:
    """Computes all metrics of the papers' tables for a model on a dataset.

    Args:
        model: returns logits (B, L).
        dataset: batches of images and targets 1, 0 or -1.
        labels: names, groups and thresholds; None for independent labels named by their
            number, with a threshold of 0.5.

    Raises:
        ValueError: if the dataset is empty or its targets are not one per label.

    Example:
        >>> images = keras.Input((2, 2, 3))
        >>> pooled = keras.layers.GlobalAveragePooling2D()(images)
        >>> pixels = np.zeros((2, 2, 2, 3), "float32")
        >>> pixels[0, ..., 1] = pixels[1, ..., 2] = 255
        >>> batches = tf.data.Dataset.from_tensors((pixels, [[0, 1, 0], [0, 0, 1]]))
        >>> report = evaluate(keras.Model(images, pooled), batches)
        >>> report.metrics["mAP"], report.labels_without_positives
        (1.0, ['0'])
    """
    targets, probabilities = predict_scores(model, dataset, labels)
    if labels is None:
        labels = Labels(tuple(map(str, range(targets.shape[1]))))
    return report_scores(targets, probabilities, labels)


def report_scores(
    targets: np.ndarray,
    probabilities: np.ndarray,
    labels: Labels,
    *,
    resamples: int = 0,
    image_groups: Sequence[Hashable] | None = None,
) -> Report:
    """Computes all metrics of the papers' tables from targets and probabilities.

    Shapes: (N, L) and (N, L).

    Args:
        targets: 1 present, 0 absent, -1 unknown.
        probabilities: 0-1.
        labels: names, groups and thresholds.
        resamples: draws of a `Bootstrap` that computes intervals; 0 for none.
        image_groups: groups of images that the bootstrap draws together.

    Raises:
        ValueError: if there are not as many columns as labels.

    Example:
        >>> targets = np.array([[1, 0], [0, 1], [1, 1]])
        >>> scores = np.array([[0.9, 0.2], [0.4, 0.7], [0.8, 0.4]])
        >>> report = report_scores(targets, scores, Labels(("dog", "sofa")))
        >>> report.metrics["mAP"], round(report.metrics["exact"], 3)
        (1.0, 0.667)
    """
    if targets.shape != probabilities.shape or targets.shape[1] != len(labels):
        raise ValueError(
            "`targets` and `probabilities` must have one column per label; got shapes "
            f"{targets.shape} and {probabilities.shape} for {len(labels)} labels."
        )
    precisions = average_precision(targets, probabilities)
    metrics: dict[str, float] = {}
    if labels.exclusive and labels.groups:
        metrics |= attribute_accuracy(targets, probabilities, labels.groups)
    metrics["mAP"] = _mean(precisions)
    for group in labels.groups or ():
        metrics[f"mAP/{group}"] = _mean(precisions[labels.indices(group)])
    if not labels.exclusive:
        metrics |= _at_thresholds(targets, probabilities, labels)
    report = Report(
        metrics={name: float(value) for name, value in metrics.items()},
        per_label=dict(zip(labels.names, map(float, precisions), strict=True)),
        images=len(targets),
        thresholds=labels.describe_thresholds(),
    )
    if not resamples or len(targets) < 2:
        return report
    bootstrap = Bootstrap(targets, labels, groups=image_groups, resamples=resamples)
    intervals, label_intervals = bootstrap.report(probabilities)
    return dataclasses.replace(
        report,
        intervals=intervals,
        label_intervals=label_intervals,
        few_positives=bootstrap.few_positives,
        above_half=_above_half(bootstrap, probabilities, labels),
    )


def _above_half(
    bootstrap: Bootstrap, probabilities: np.ndarray, labels: Labels
) -> dict[str, Interval]:
    if labels.exclusive or set(labels.thresholds) == {0.5}:
        return {}
    own, half = (
        bootstrap.at_thresholds(probabilities, thresholds)
        for thresholds in (labels.thresholds, 0.5)
    )
    return {name: bootstrap.difference(own[name], half[name]) for name in own}


def _at_thresholds(
    targets: np.ndarray, probabilities: np.ndarray, labels: Labels
) -> dict[str, float]:
    thresholds = np.asarray(labels.thresholds)
    metrics = precision_recall_f1(targets, probabilities, threshold=thresholds)
    if len(labels) > 3:
        top = precision_recall_f1(targets, probabilities, top_k=3)
        metrics |= {f"{name}@3": value for name, value in top.items()}
    right = ((probabilities >= thresholds) == (targets == 1)) | (targets == -1)
    metrics["exact"] = float(right.all(axis=1).mean())
    return metrics


def average_reports(reports: Sequence[Report]) -> tuple[Report, Report]:
    """Returns the mean and the sample deviation of the reports of several seeds.

    Args:
        reports: at least one, on the same split and labels. The deviation of a single
            report is NaN.

    Raises:
        ValueError: if there is no report.

    Example:
        >>> reports = [Report({"mAP": v}, {"dog": v}, 2) for v in (0.5, 0.7)]
        >>> mean, deviation = average_reports(reports)
        >>> round(mean.metrics["mAP"], 3), round(deviation.metrics["mAP"], 3)
        (0.6, 0.141)
    """
    if not reports:
        raise ValueError("`reports` must hold at least one report; got none.")

    def apply(function: Callable[[np.ndarray], np.ndarray]) -> Report:
        metrics, per_label = (
            {
                name: float(function(np.array([part[name] for part in parts])))
                for name in parts[0]
            }
            for parts in ([r.metrics for r in reports], [r.per_label for r in reports])
        )
        return Report(metrics, per_label, reports[0].images, reports[0].thresholds)

    def deviate(values: np.ndarray) -> np.ndarray:
        return np.std(values, ddof=1) if len(values) > 1 else np.array(np.nan)

    return apply(np.mean), apply(deviate)


def format_mean(
    mean: float | None,
    deviation: float | None = None,
    *,
    scale: float = 100,
    digits: int = 2,
    sign: str = "",
) -> str:
    """Formats a mean and its standard deviation, in percent by default.

    Args:
        mean: None or NaN is shown as "-".
        deviation: sample deviation; None or NaN for a single seed.
        scale: factor of both numbers; 100 for percent.
        digits: number of decimals.
        sign: "+" to show the sign of positive numbers too.

    Example:
        >>> format_mean(0.728, 0.004), format_mean(0.728), format_mean(None)
        ('72.80 ± 0.40', '72.80', '-')
    """
    if mean is None or np.isnan(mean):
        return "-"
    text = f"{scale * mean:{sign}.{digits}f}"
    if deviation is None or np.isnan(deviation):
        return text
    return f"{text} ± {scale * deviation:.{digits}f}"


def mean_and_deviation(values: ArrayLike) -> tuple[float, float | None]:
    """Returns the mean of values and their sample deviation, None for one value.

    Example:
        >>> mean_and_deviation([0.5, 0.7])[0], mean_and_deviation([0.5])
        (0.6, (0.5, None))
    """
    array = np.asarray(values, float)
    deviation = float(array.std(ddof=1)) if len(array) > 1 else None
    return float(array.mean()), deviation


def comparison_table(
    reports: Mapping[str, Report],
    deviations: Mapping[str, Report] | None = None,
) -> Table:
    """Builds a table of the metrics and labels of several models, in percent.

    Up to four models have one column each, with all metrics and labels. More models,
    which do not fit on a screen, have one row each with the most important metrics.
    Missing values are shown as "-", intervals in brackets.

    Args:
        reports: model to its report, all on the same split and labels.
        deviations: model to the deviations of its report, or None.
    """
    spreads = deviations or {}
    if len(reports) > _MOST_COLUMNS:
        return _one_row_each(reports, spreads)
    table = Table()
    table.add_column("")
    for name in reports:
        table.add_column(name, justify="right")
    for part in ("metrics", "per_label"):
        rows = [getattr(report, part) for report in reports.values()]
        for key in dict.fromkeys(key for row in rows for key in row):
            cells = [_cell(reports, spreads, name, part, key) for name in reports]
            table.add_row(key if part == "metrics" else f"AP {key}", *cells)
        table.add_section()
    return table


def _one_row_each(
    reports: Mapping[str, Report], spreads: Mapping[str, Report]
) -> Table:
    known = dict.fromkeys(key for report in reports.values() for key in report.metrics)
    keys = [key for key in known if key not in _PARTS_OF_F1 and "@3" not in key]
    table = Table("")
    for key in keys:
        table.add_column(key, justify="right", overflow="fold")
    for name in reports:
        cells = [_cell(reports, spreads, name, "metrics", key) for key in keys]
        table.add_row(name, *cells)
    return table


def _cell(
    reports: Mapping[str, Report],
    spreads: Mapping[str, Report],
    name: str,
    part: str,
    key: str,
) -> str:
    report = reports[name]
    values = getattr(report, part)
    spread = getattr(spreads[name], part).get(key) if name in spreads else None
    text = format_mean(values.get(key), spread)
    known = report.intervals if part == "metrics" else report.label_intervals
    if key in known:
        return f"{text} [{100 * known[key].low:.1f}, {100 * known[key].high:.1f}]"
    few = part == "per_label" and key in report.few_positives
    return f"{text} few positives" if few else text


def _mean(precisions: np.ndarray) -> float:
    known = precisions[~np.isnan(precisions)]
    return float(known.mean()) if len(known) else float("nan")
