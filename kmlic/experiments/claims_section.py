"""Report section that compares a paper's claims with an experiment."""

from collections.abc import Sequence

import numpy as np
from rich.table import Table

from kmlic.evaluation import format_mean, mean_and_deviation
from kmlic.experiments.experiment import Experiment
from kmlic.html_report import Section

Claim = tuple[str, str, str]  # better row, worse row, points of mAP in the paper


def claims_section(experiment: Experiment, claims: Sequence[Claim]) -> Section:
    """Compares pairs of rows by mAP on the test split, seed by seed, and prints them.

    Args:
        experiment: whose trainings are done; pairs that were not trained are left out.
        claims: the better row in the paper, the worse one, and the points of mAP
            between them there.
    """
    rows = []
    for better, worse, paper in claims:
        if {better, worse} <= set(experiment.trained):
            points = _points(experiment, better) - _points(experiment, worse)
            won = f"{(points > 0).sum()} of {len(points)}"
            here = format_mean(*mean_and_deviation(points), scale=1, sign="+")
            rows.append((better, worse, paper, here, won))
    header = ("row", "against", "paper", "here", "seeds")
    table = Table(*header, title="The paper's claims")
    for row in rows:
        table.add_row(*row)
    experiment.console.print(table)
    text = (
        "Points of mAP between two rows on the test split, in the paper and here, and "
        "the number of seeds with which the first row is better."
    )
    return Section("The paper's claims", text, header, rows)


def _points(experiment: Experiment, name: str) -> np.ndarray:
    reports = experiment.reports_of(name, "test").values()
    return np.array([100 * report.metrics["mAP"] for report in reports])
