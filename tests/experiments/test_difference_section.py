import numpy as np
import pytest

from kmlic.evaluation.bootstrap import Bootstrap
from kmlic.experiments import Experiment, difference_section
from tests.toys import toy_data, toy_settings


def test_compares_rows_with_the_first_on_the_same_draws(tmp_path, capsys):
    experiment = Experiment("toy", toy_settings(tmp_path / "run"))
    data = toy_data()
    for seed in (0, 1):
        experiment.data[seed] = data
        for name, noise in (("good", 0.1), ("same", 0.1), ("bad", 5.0)):
            random = np.random.default_rng(seed)
            scores = {
                split: (
                    data.targets[split],
                    data.targets[split] + noise * random.normal(size=(40, 3)),
                )
                for split in ("validation", "test")
            }
            experiment.add_scores(name, seed, scores)
    section = difference_section(experiment, ("good", "same", "bad"))
    (first, best, none), (second, equal, nothing), (third, worst, worse) = section.rows
    assert (first, second, third, none) == ("good", "same", "bad", "")
    assert best == equal and nothing.startswith("0.0 better, 95 % interval 0.0 to 0.0")
    assert nothing.endswith("not distinguishable")
    expected = [
        Bootstrap(data.targets["test"], data.labels).value(
            experiment.trained["bad"][seed].scores["test"][1]
        )
        for seed in (0, 1)
    ]
    assert float(worst) == pytest.approx(100 * np.mean(expected), abs=0.01)
    assert "worse" in worse and not worse.endswith("distinguishable")
    assert "Differences on the same test images" in capsys.readouterr().out
