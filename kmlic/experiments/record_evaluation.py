"""The record of an evaluation in its run."""

import dataclasses
import datetime
from pathlib import Path

from kmlic.evaluation.report import Report
from kmlic.experiments.update_run import update_run
from kmlic.run_folder import Evaluation, Run, nan_to_none

# Of the others a table of several evaluations would not fit on a page.
_METRICS = ("accuracy", "mAP", "CF1", "OF1", "exact")


def record_evaluation(
    folder: str | Path, report: Report, *, data: str, split: str, runtime: str
) -> None:
    """Adds the metrics of an evaluation to run.json and to the report of a run.

    An earlier evaluation of the same data, split and runtime is replaced.

    Args:
        folder: the run folder.
        report: from `evaluate_run`.
        data: the dataset as it was given; empty for the run's own.
        split: "train", "validation", "test" or "all".
        runtime: what ran the model.

    Raises:
        ValueError: see `update_run`.

    Example:
        >>> report = Report({"mAP": 0.5}, {"dog": 0.5}, 2)
        >>> options = {"data": "photos", "split": "all", "runtime": "keras"}
        >>> record_evaluation("absent/run", report, **options)
        Traceback (most recent call last):
            ...
        ValueError: absent/run must be a run folder; there is no such folder.
    """

    def add(run: Run) -> Run:
        new = Evaluation(
            data=data or str(run.data.get("name", "")),
            split=split,
            images=report.images,
            runtime=runtime,
            thresholds=report.thresholds,
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            metrics=nan_to_none(
                {n: _describe(report, n) for n in _METRICS if n in report.metrics}
            ),
        )
        same = ("data", "split", "runtime")
        others = [
            each
            for each in run.evaluations
            if any(each[key] != new[key] for key in same)  # type: ignore[literal-required]
        ]
        return dataclasses.replace(run, evaluations=[*others, new])

    update_run(folder, add)


def _describe(report: Report, name: str) -> dict[str, float | None]:
    if name in report.intervals:
        return dict(dataclasses.asdict(report.intervals[name]))
    return {"value": report.metrics[name], "low": None, "high": None}
