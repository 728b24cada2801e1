"""Report section on how sure the figures of the exported model are."""

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
        [metric, split, *(f"{100 * (own[end] or 0.0):.1f}" for end in _ENDS)]
        for split, models in run.intervals.items()
        for metric, own in models.get(model, {}).items()
        if "/" not in metric
    ]
    text = (
        f"{model} at {labels.describe_thresholds()}, in percent. The interval says "
        "where the metric lies, in 95 of 100 cases, on other sets of as many "
        "images. A metric that is the same in every draw of the images has none."
    )
    header = ["metric", "split", "value", "from", "to"]
    return Section("Confidence intervals", text if rows else "", header, rows)


def label_interval_cells(run: Run, split: str, model: str, label: str) -> list[str]:
    """Returns the ends of the interval of a label's average precision, in percent.

    Args:
        run: the record of the run.
        split: whose images were scored.
        model: the row in run.json.
        label: its name.

    Returns:
        Two cells, "few" and "" where a label has too few positives for an interval.
    """
    own = run.label_intervals.get(split, {}).get(model, {}).get(label)
    if own is None:
        return ["few", ""]
    return [f"{100 * (own[end] or 0.0):.1f}" for end in _ENDS[1:]]


_ENDS = ("value", "low", "high")
