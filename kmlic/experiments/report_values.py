"""Values of reports as run.json holds them."""

from collections.abc import Mapping

import numpy as np

from kmlic.evaluation.report import Report

Values = dict[str, dict[str, dict[str, float | None]]]


def report_values(
    reports: Mapping[str, Mapping[str, Report]], field: str = "metrics"
) -> Values:
    """Returns values by split, model and name; None where one is not defined.

    Args:
        reports: by split and model.
        field: "metrics" or "per_label".

    Example:
        >>> report_values({"test": {"msrn": Report({"mAP": float("nan")}, {}, 1)}})
        {'test': {'msrn': {'mAP': None}}}
    """
    return {
        split: {
            name: {
                key: None if np.isnan(value) else float(value)
                for key, value in getattr(report, field).items()
            }
            for name, report in models.items()
        }
        for split, models in reports.items()
    }
