"""Report section on how sure the figures of the exported model are."""

from collections.abc import Mapping

from kmlic.html_report import Section
from kmlic.labels import Labels
from kmlic.run_folder import Run


def interval_section(run: Run, labels: Labels, model: str) -> Section:
    """Lists the metrics of the exported model with their 95 % intervals.

    Args:
        run: the record of the run.
        labels: of the exported model.
        model: the row in run.json that was exported.
    """
    rows = [
        [metric, split, f"{100 * (own['value'] or 0.0):.1f}", _text(own)]
        for split, models in run.intervals.items()
        for metric, own in models.get(model, {}).items()
        if "/" not in metric
    ]
    text = (
        f"{model} at {labels.describe_thresholds()}, in percent. The interval says "
        "where the metric lies, in 95 of 100 cases, on other sets of as many "
        "images. A metric that is the same in almost every draw of the images has none."
    )
    header = ["metric", "split", "value", "95 % interval"]
    return Section("Confidence intervals", text if rows else "", header, rows)


def label_interval(run: Run, split: str, model: str, label: str) -> str:
    """Returns the interval of a label's average precision, in percent.

    Args:
        run: the record of the run.
        split: whose images were scored.
        model: the row in run.json.
        label: its name.

    Returns:
        "45.9 to 56.0", or "" where a label has no interval, see `Bootstrap.report`.
    """
    return _text(run.label_intervals.get(split, {}).get(model, {}).get(label))


def metric_interval(run: Run, split: str, model: str, metric: str) -> str:
    """Returns the interval of a metric like `label_interval`."""
    return _text(run.intervals.get(split, {}).get(model, {}).get(metric))


def _text(own: Mapping[str, float | None] | None) -> str:
    if own is None:
        return ""
    return f"{100 * (own['low'] or 0.0):.1f} to {100 * (own['high'] or 0.0):.1f}"
