"""What report.html says of a trained classifier."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kmlic.classifier.choice import Row
from kmlic.data.finding import Finding
from kmlic.data_check import finding_section
from kmlic.evaluation.bootstrap import Interval
from kmlic.evaluation.label_errors import LabelErrors
from kmlic.experiments.confusion_section import confusion_section
from kmlic.experiments.doubtful_section import doubtful_section
from kmlic.experiments.export_section import export_section
from kmlic.experiments.interval_section import metric_interval
from kmlic.experiments.label_section import label_section
from kmlic.experiments.scored_images import ScoredImages
from kmlic.experiments.setting_rows import setting_rows
from kmlic.experiments.summarise_run import describe_sizes
from kmlic.html_report import Gallery, Section
from kmlic.labels import Labels
from kmlic.run_folder import Run

_SHOWN = 20


def report_sections(
    *,
    run: Run,
    folder: Path,
    tested: ScoredImages,
    examined: ScoredImages,
    doubted: ScoredImages,
    training: np.ndarray,
    rows: Sequence[Row],
    chosen: Row,
    metric: str,
    scored: str,
    findings: Sequence[Finding],
    galleries: Mapping[str, Sequence[Gallery]],
    errors: LabelErrors | None,
    maps: Section,
) -> list[Section]:
    """Lays out a trained classifier: how good it is, where it fails, what was tried.

    Args:
        run: its record.
        folder: of its exports.
        tested: images that its metrics are of; the last split in the record.
        examined: images of examples, which may be looked at before another training.
        doubted: images whose labels were compared with scores, also of the baseline.
        training: (L,) number of training images with each label.
        rows: all candidates, the floor first.
        chosen: the one that was exported.
        metric: by which they were compared.
        scored: which scores they were compared on.
        findings: what was found wrong with the data.
        galleries: title of a finding to thumbnails of the images that it names.
        errors: what `find_label_errors` found in the doubted images; None if it was
            not run.
        maps: where the model looks; may be empty.
    """
    return [
        _metrics(run, tested.labels, rows[0].name, chosen.name),
        label_section(
            run,
            tested,
            examined,
            split=list(run.per_label)[-1],
            models=[chosen.name],
            training=training,
        ),
        confusion_section(examined),
        Section("Doubtful labels")
        if errors is None
        else doubtful_section(doubted, errors),
        maps,
        _candidates(rows, chosen, metric, scored),
        Section(
            "Data",
            "Errors and warnings of `kmlic data check`." if findings else "",
            ["level", "count", "finding", "where"] if findings else (),
            [
                [
                    finding.level,
                    f"{finding.count:,}",
                    finding.title,
                    "see the section of this name"
                    if galleries.get(finding.title)
                    else "; ".join(" | ".join(row) for row in finding.rows[:_SHOWN]),
                ]
                for finding in findings
            ],
        ),
        *(
            finding_section(finding, galleries[finding.title])
            for finding in findings
            if galleries.get(finding.title)
        ),
        export_section(run, folder),
        Section(
            "Settings",
            rows=[
                ["command", run.command],
                *setting_rows(run.settings),
                ["images", describe_sizes(run.data["sizes"])],
                *([f"seconds, {n}", f"{v:.1f}"] for n, v in run.seconds.items()),
                ["peak memory, GB", f"{run.peak_memory_gb}"],
            ],
        ),
    ]


def _candidates(rows: Sequence[Row], chosen: Row, metric: str, scored: str) -> Section:
    return Section(
        "Candidates",
        f"All models that were tried, with their {metric} {scored}, in percent. The "
        "simplest one is exported that the best one does not beat in three of four "
        "draws of the images; mirror images, which cost twice the time, are scored too "
        "if that is better in nine of ten. The baseline comes first.",
        [
            "candidate",
            metric,
            "95 % interval",
            "above the baseline",
            "its 95 % interval",
            "seconds",
        ],
        [
            [
                f"{row.name} (exported)" if row is chosen else row.name,
                *_with_interval(row.interval),
                *(["-", ""] if row is rows[0] else _with_interval(row.above_floor)),
                f"{row.seconds:.0f}",
            ]
            for row in rows
        ],
    )


def _with_interval(own: Interval) -> list[str]:
    return [f"{100 * own.value:z.1f}", f"{100 * own.low:z.1f} to {100 * own.high:z.1f}"]


def _metrics(run: Run, labels: Labels, floor: str, chosen: str) -> Section:
    splits = list(run.results)[::-1]
    names = list(run.results[splits[0]][chosen])
    header, columns = ["metric"], [names]
    for split in splits:
        own = run.results[split]
        header += [split, "95 % interval"]
        columns += [
            _cells(*(own[chosen].get(name) for name in names)),
            [metric_interval(run, split, chosen, name) for name in names],
        ]
        if floor != chosen:
            header.append(f"baseline, {split}")
            columns.append(_cells(*(own[floor].get(name) for name in names)))
    if labels.exclusive:
        meanings = (
            "Accuracy is the share of images whose label is right, balanced_accuracy "
            "and macro_f1 are means over labels, each of them a mean over the groups."
        )
    else:
        meanings = (
            "CP, CR and CF1 are means over labels of precision, recall and F1; OP, OR "
            "and OF1 are over all predictions; @3 predicts those of the three most "
            "probable labels whose probability is at least 0.5."
        )
    tuned = "" if labels.exclusive else "; thresholds were tuned on these scores"
    return Section(
        "Metrics",
        f"Of {chosen}, in percent. Labels are predicted by "
        f"{labels.describe_thresholds()}. {meanings} Exact counts images with all "
        "labels right.\n\nValidation stands for images that were scored by models "
        f"which did not see them{tuned}. The baseline is {floor}.",
        header,
        [list(row) for row in zip(*columns, strict=True)],
    )


def _cells(*values: float | None) -> list[str]:
    return [
        "-" if value is None or np.isnan(value) else f"{100 * value:.1f}"
        for value in values
    ]
