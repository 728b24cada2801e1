"""Evaluation of trained models."""

from typing import TYPE_CHECKING

from kmlic.lazy_package import lazy_package

if TYPE_CHECKING:
    from kmlic.evaluation.bootstrap import Bootstrap, Interval
    from kmlic.evaluation.choose_thresholds import ThresholdChoice, choose_thresholds
    from kmlic.evaluation.compare_curves import compare_curves
    from kmlic.evaluation.fit_calibration import Calibration, fit_calibration
    from kmlic.evaluation.label_errors import LabelErrors, find_label_errors
    from kmlic.evaluation.linear_probe import linear_probe
    from kmlic.evaluation.mass_in_boxes import BoxMass, mass_in_boxes
    from kmlic.evaluation.pointing_game import Pointing, pointing_game
    from kmlic.evaluation.reliability_figure import reliability_figure
    from kmlic.evaluation.report import (
        Report,
        average_reports,
        comparison_table,
        evaluate,
        format_mean,
        mean_and_deviation,
        report_scores,
    )
    from kmlic.evaluation.report_hits import report_hits
    from kmlic.evaluation.tune_thresholds import tune_thresholds
    from kmlic.training import predict_scores

__all__ = [
    "Bootstrap",
    "BoxMass",
    "Calibration",
    "Interval",
    "LabelErrors",
    "Pointing",
    "Report",
    "ThresholdChoice",
    "average_reports",
    "choose_thresholds",
    "compare_curves",
    "comparison_table",
    "evaluate",
    "find_label_errors",
    "fit_calibration",
    "format_mean",
    "linear_probe",
    "mass_in_boxes",
    "mean_and_deviation",
    "pointing_game",
    "predict_scores",
    "reliability_figure",
    "report_hits",
    "report_scores",
    "tune_thresholds",
]

lazy_package(__name__)
