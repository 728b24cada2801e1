import importlib

from kmlic.experiments import Experiment, add_map_mass
from kmlic.models import build_classifier
from tests.toys import add_toy_row, boxed_data, toy_settings

module = importlib.import_module("kmlic.experiments.add_map_mass")


def experiment_on(dataset, folder, monkeypatch):
    experiment = Experiment("toy", toy_settings(folder, seeds=(0,), dataset=dataset))
    experiment.data[0] = boxed_data()
    model = build_classifier(3, backbone="small_resnet", image_size=32)
    monkeypatch.setattr(module, "load_data", lambda *_, **options: boxed_data())
    add_toy_row(experiment, "maps", model=model)
    add_toy_row(experiment, "no maps")
    add_map_mass(experiment)
    return {name: each[0].metrics for name, each in experiment.compare().items()}


def test_the_share_in_boxes_becomes_metrics_of_rows_with_maps(tmp_path, monkeypatch):
    metrics = experiment_on("street_fashion", tmp_path / "run", monkeypatch)
    found = metrics["maps"]
    assert 0 <= found["map in box"] <= 1 and found["box in image"] == 0.25
    assert "map in box" not in metrics["no maps"]


def test_a_dataset_without_boxes_adds_nothing(tmp_path, monkeypatch):
    metrics = experiment_on("voc2007", tmp_path / "run", monkeypatch)
    assert "map in box" not in metrics["maps"]
