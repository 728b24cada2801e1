"""Report section that compares rows on the same test images."""

from collections.abc import Sequence

import numpy as np
from rich.table import Table

from kmlic.evaluation.bootstrap import Bootstrap
from kmlic.experiments.experiment import Experiment
from kmlic.html_report import Section


def difference_section(experiment: Experiment, rows: Sequence[str]) -> Section:
    """Compares the mAP of rows with that of the first one, and prints them.

    Differences are means over the seeds, each on its own test images; their 95 %
    intervals come from 1,000 draws of the images of each seed, the same for both rows.

    Args:
        experiment: whose trainings are done.
        rows: the one that others are compared with first.
    """
    seeds = list(experiment.trained[rows[0]])
    values: dict[str, list[np.ndarray]] = {name: [] for name in rows}
    for seed in seeds:
        targets = experiment.trained[rows[0]][seed].scores["test"][0]
        bootstrap = Bootstrap(targets, experiment.data[seed].labels, seed=seed)
        for name in rows:
            scores = experiment.trained[name][seed].scores["test"][1]
            values[name].append(bootstrap.values(scores))
    means = {name: np.mean(each, axis=0) for name, each in values.items()}
    cells = [(rows[0], f"{100 * means[rows[0]][0]:.2f}", "")]
    for name in rows[1:]:
        difference = bootstrap.difference(means[name], means[rows[0]])
        cells.append(
            (name, f"{100 * means[name][0]:.2f}", difference.describe_difference())
        )
    header = ("row", "mAP", f"minus {rows[0]}")
    table = Table(*header, title="Differences on the same test images")
    for row in cells:
        table.add_row(*row)
    experiment.console.print(table)
    text = (
        f"Points of mAP, means over {len(seeds)} seeds, with 95 % intervals. A "
        "difference whose interval has 0 in it may be chance."
    )
    return Section("Differences on the same test images", text, header, cells)
