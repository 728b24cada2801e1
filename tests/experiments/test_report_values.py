import numpy as np

from kmlic.evaluation.report import Report
from kmlic.experiments.report_values import report_values


def test_values_are_numbers_that_json_holds():
    report = Report({"mAP": np.float32(0.5)}, {"red": np.nan, "blue": 1.0}, 3)
    reports = {"test": {"msrn": report}}
    (value,) = report_values(reports)["test"]["msrn"].values()
    assert value == 0.5 and type(value) is float
    expected = {"test": {"msrn": {"red": None, "blue": 1.0}}}
    assert report_values(reports, "per_label") == expected
