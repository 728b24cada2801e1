"""What report.html says of a trained classifier."""

from collections.abc import Sequence

import numpy as np

from kmlic.classifier.choice import Row
from kmlic.data.finding import Finding
from kmlic.experiments.interval_section import (
    interval_section,
    label_interval_cells,
)
from kmlic.html_report import Section
from kmlic.labels import Labels
from kmlic.run_folder import Run

_SHOWN = 20


def report_sections(
    *,
    verdict: str,
    run: Run,
    labels: Labels,
    rows: Sequence[Row],
    chosen: Row,
    metric: str,
    scored: str,
    findings: Sequence[Finding],
    maps: Section,
) -> list[Section]:
    """Lays out a trained classifier, the verdict first.

    Args:
        verdict: one sentence.
        run: its record.
        labels: with thresholds.
        rows: all candidates, the floor first.
        chosen: the one that was exported.
        metric: by which they were compared.
        scored: which scores they were compared on.
        maps: where the model looks; may be empty.
        findings: what was found wrong with the data.
    """
    return [
        Section("Verdict", verdict),
        _candidates(rows, chosen, metric, scored),
        _metrics(run, labels),
        interval_section(run, labels, chosen.name),
        _labels(run, labels, chosen.name),
        maps,
        Section(
            "Data",
            "Errors and warnings of `kmlic data check`." if findings else "",
            ["level", "count", "finding", "where"] if findings else (),
            [
                [
                    finding.level,
                    f"{finding.count:,}",
                    finding.title,
                    "; ".join(" | ".join(row) for row in finding.rows[:_SHOWN]),
                ]
                for finding in findings
            ],
        ),
        Section(
            "Exports",
            "The largest difference of a probability from model.keras.",
            ["file", "difference"],
            [[name, f"{value:.1e}"] for name, value in run.exports.items()],
        ),
        Section(
            "Settings",
            rows=[
                ["command", run.command],
                *([name, str(value)] for name, value in run.settings.items()),
                *([f"{n} images", f"{v:,}"] for n, v in run.data["sizes"].items()),
                *([f"seconds, {n}", f"{v:.1f}"] for n, v in run.seconds.items()),
                ["peak memory, GB", f"{run.peak_memory_gb}"],
            ],
        ),
    ]


def _candidates(rows: Sequence[Row], chosen: Row, metric: str, scored: str) -> Section:
    return Section(
        "Candidates",
        f"{metric} {scored}, in percent, with the range of 95 % of draws of the "
        "images. The simplest one is chosen that the best one does not beat in nine "
        "of ten draws.",
        ["candidate", metric, "from", "to", "above the floor", "from", "to", "s", ""],
        [
            [
                row.name,
                *_cells(row.interval.value, row.interval.low, row.interval.high),
                *_cells(
                    row.above_floor.value, row.above_floor.low, row.above_floor.high
                ),
                f"{row.seconds:.0f}",
                "exported" if row is chosen else "",
            ]
            for row in rows
        ],
    )


def _metrics(run: Run, labels: Labels) -> Section:
    results = {
        f"{model}, {split}": metrics
        for split, models in run.results.items()
        for model, metrics in models.items()
    }
    names = list(dict.fromkeys(name for row in results.values() for name in row))
    return Section(
        "Metrics",
        f"In percent, at {labels.describe_thresholds()}. Validation stands for images "
        "that were scored by models which did not see them; thresholds were tuned on "
        "these scores.",
        ["model", *names],
        [
            [model, *_cells(*(row.get(name) for name in names))]
            for model, row in results.items()
        ],
    )


def _labels(run: Run, labels: Labels, chosen: str) -> Section:
    splits = list(run.per_label)
    last = splits[-1]
    return Section(
        "Labels",
        "Average precision in percent, with the 95 % interval of the "
        f"{last} images unless they show the label fewer than five times, and the "
        "probability from which a label counts.",
        ["label", *splits, "from", "to", "threshold"],
        [
            [
                name,
                *_cells(*(run.per_label[split][chosen].get(name) for split in splits)),
                *label_interval_cells(run, last, chosen, name),
                "-" if labels.exclusive else f"{threshold:.2f}",
            ]
            for name, threshold in zip(labels.names, labels.thresholds, strict=True)
        ],
    )


def _cells(*values: float | None) -> list[str]:
    return [
        "-" if value is None or np.isnan(value) else f"{100 * value:.1f}"
        for value in values
    ]
