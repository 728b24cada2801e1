import numpy as np
import pytest

from kmlic.evaluation import average_reports, report_scores
from kmlic.experiments import Trained, group_sections
from kmlic.labels import Labels

LABELS = Labels(
    ("long", "short", "none", "tight", "loose"),
    {"sleeve": ("long", "short", "none"), "fit": ("tight", "loose")},
    exclusive=True,
)
RANDOM = np.random.default_rng(0)
TARGETS = np.concatenate(
    [np.eye(3)[RANDOM.integers(0, 3, 20)], np.eye(2)[RANDOM.integers(0, 2, 20)]], axis=1
)
EPOCHS = [
    {"val_accuracy/sleeve": 0.4, "val_accuracy/fit": 0.5},
    {"val_accuracy/sleeve": 0.6, "val_accuracy/fit": 0.5},
]


class Data:
    labels = LABELS


class Finished:
    """Stands for an experiment whose trainings are done."""

    def __init__(self, labels=LABELS):
        self.data = {0: Data(), 1: Data()}
        self.data[0].labels = self.data[1].labels = labels
        self.trained = {"attributes": {0: self._train(0), 1: self._train(1)}}

    def _train(self, seed):
        scores = TARGETS * 0.5 + RANDOM.uniform(size=(20, 5))
        splits = {"validation": (TARGETS, scores), "test": (TARGETS, scores)}
        return Trained("attributes", seed, splits, EPOCHS)

    def best_of(self, name):
        return self.trained[name][0]

    def compare(self, split):
        reports = [
            report_scores(*each.scores[split], LABELS)
            for each in self.trained["attributes"].values()
        ]
        return {"attributes": average_reports(reports)}


def test_shows_each_group_with_its_spread_over_the_seeds():
    experiment = Finished()
    section = group_sections(experiment, "attributes")[0]
    assert section.header == ("model", "metric", "mean", "sleeve", "fit")
    assert [row[1] for row in section.rows] == [
        "accuracy",
        "balanced accuracy",
        "macro f1",
    ]
    mean, spread = experiment.compare("validation")["attributes"]
    key = "accuracy/sleeve"
    expected = f"{100 * mean.metrics[key]:.1f} ± {100 * spread.metrics[key]:.1f}"
    assert section.rows[0][3] == expected


def test_draws_one_curve_and_one_matrix_per_group():
    *_, learning, confusion = group_sections(Finished(), "attributes")
    (axes,) = learning.figures[0].axes
    curves = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
    assert curves == {"sleeve": [0.4, 0.6], "fit": [0.5, 0.5]}
    assert [f.axes[0].get_title() for f in confusion.figures] == ["sleeve", "fit"]
    counts = [int(text.get_text()) for text in confusion.figures[0].axes[0].texts]
    assert len(counts) == 9 and sum(counts) == 20


def test_says_that_groups_must_exclude_one_another():
    labels = Labels(LABELS.names, LABELS.groups)
    with pytest.raises(ValueError, match="must have exclusive groups"):
        group_sections(Finished(labels), "attributes")
