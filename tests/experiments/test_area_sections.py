import importlib

import numpy as np

from kmlic.experiments import Experiment, area_sections
from kmlic.html_report import Section
from kmlic.metrics import precision_recall_auc
from tests.toys import toy_data, toy_settings

module = importlib.import_module("kmlic.experiments.area_sections")


def finished(folder, monkeypatch):
    monkeypatch.setattr(module, "example_section", lambda *_, **options: Section("E"))
    experiment = Experiment("toy", toy_settings(folder))
    data = toy_data()
    for seed in (0, 1):
        experiment.data[seed] = data
        for name, noise in (("baseline", 2.0), ("model", 0.5), ("other", 1.0)):
            random = np.random.default_rng(seed)
            scores = {
                split: (
                    data.targets[split],
                    1
                    / (
                        1
                        + np.exp(
                            -data.targets[split] - noise * random.normal(size=(40, 3))
                        )
                    ),
                )
                for split in ("validation", "test")
            }
            experiment.add_scores(name, seed, scores)
    return experiment


def test_gains_are_relative_to_the_baseline_of_the_same_seed(tmp_path, monkeypatch):
    experiment = finished(tmp_path / "run", monkeypatch)
    sections = area_sections(experiment, "model", "baseline")
    gains = []
    for seed in (0, 1):
        areas = [
            precision_recall_auc(*experiment.trained[name][seed].scores["test"])
            for name in ("model", "baseline")
        ]
        gains.append(np.mean(areas[0] / areas[1] - 1))
    mean = experiment.compare()["model"][0].metrics
    assert np.isclose(mean["gain"], np.mean(gains))
    assert experiment.compare()["baseline"][0].metrics["gain"] == 0
    # Every label is a majority label here.
    assert np.isclose(mean["gain/majority"], mean["gain"])
    titles = [section.title for section in sections]
    assert titles[1].startswith("Relative improvement") and len(titles) == 5
    spread = np.std(gains, ddof=1)
    expected = f"{100 * np.mean(gains):.1f} ± {100 * spread:.1f}"
    assert sections[1].rows[0][:2] == ("model", expected)
    assert [row[0] for row in sections[2].rows] == ["red", "green", "blue"]
