"""Report section of what `kmlic evaluate` computed."""

from collections.abc import Mapping

from kmlic.html_report import Section
from kmlic.run_folder import Run


def evaluation_section(run: Run) -> Section:
    """Lists the evaluations of a run, one row per dataset, split and runtime.

    Args:
        run: the record of the run.
    """
    found = run.evaluations
    names = list(dict.fromkeys(name for each in found for name in each["metrics"]))
    return Section(
        "Evaluations",
        "What `kmlic evaluate` measured, in percent, with 95 % intervals in brackets. "
        "All metrics but mAP depend on how labels are predicted."
        if found
        else "",
        [
            "data",
            "split",
            "images",
            *names,
            "labels are predicted by",
            "runtime",
            "date",
        ],
        [
            [
                each["data"],
                each["split"],
                f"{each['images']:,}",
                *(_text(each["metrics"].get(name)) for name in names),
                each["thresholds"],
                each["runtime"],
                each["date"][:10],
            ]
            for each in found
        ],
    )


def _text(metric: Mapping[str, float | None] | None) -> str:
    if metric is None or metric["value"] is None:
        return "-"
    text = f"{100 * metric['value']:.1f}"
    if metric["low"] is None or metric["high"] is None:
        return text
    return f"{text} [{100 * metric['low']:.1f}, {100 * metric['high']:.1f}]"
