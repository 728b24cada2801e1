import re

import keras

from kmlic.experiments import Experiment, add_linear_probes
from kmlic.metrics import average_precision
from tests.toys import add_toy_row, toy_data, toy_settings


def load(settings, seed):
    return toy_data()


def make_backbone(settings):
    images = keras.Input((8, 8, 3), name="images")
    return keras.Model(images, keras.layers.Rescaling(1 / 255)(images))


def test_logistic_regression_is_a_row_of_every_seed(tmp_path):
    settings = toy_settings(tmp_path / "run", linear_probe=True)
    experiment = Experiment("toy", settings)
    add_linear_probes(experiment, make_backbone, load=load)
    row = experiment.trained["logistic regression"]
    assert sorted(row) == [0, 1]
    assert average_precision(*row[0].scores["test"]).mean() > 0.9


def test_logistic_regression_is_only_added_on_request(tmp_path):
    experiment = Experiment("toy", toy_settings(tmp_path / "run"))
    add_linear_probes(experiment, make_backbone, load=load)
    assert not experiment.trained


def test_warns_if_no_trained_model_is_as_good(tmp_path, capsys):
    settings = toy_settings(tmp_path / "run", seeds=(0,), linear_probe=True)
    experiment = Experiment("toy", settings)
    experiment.data[0] = toy_data()
    add_toy_row(experiment, "net")
    add_linear_probes(experiment, make_backbone, load=load)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Warning: logistic regression on the same backbone is better" in shown
    assert re.search(r"mAP \d+\.\d, \d+\.\d of net", shown)
    best = {
        split: (targets, 0.9 * targets + 0.05)
        for split, targets in experiment.data[0].targets.items()
    }
    experiment.add_scores("best", 0, best)
    add_linear_probes(experiment, make_backbone, load=load)
    assert "Warning" not in capsys.readouterr().out
