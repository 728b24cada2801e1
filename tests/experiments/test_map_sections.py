import importlib

import numpy as np

from kmlic.experiments import Experiment, map_sections
from kmlic.models import build_classifier
from tests.toys import add_toy_row, boxed_data, toy_settings

module = importlib.import_module("kmlic.experiments.map_sections")


def test_draws_a_line_for_each_model_and_the_boxes_of_its_labels():
    image = np.full((32, 32, 3), 100.0)
    maps = {name: np.random.default_rng(0).normal(size=(2, 2, 3)) for name in "ab"}
    boxes = boxed_data().boxes["test"][0]
    centers = dict.fromkeys("ab", (np.full((2, 3), [[0.0], [0.5]]),) * 2)
    names = ("dog", "sofa", "hat")
    present = np.array([0, 2])
    figure = module._draw_image(image, maps, centers, present, names, boxes)
    assert [axes.get_title() for axes in figure.axes] == ["", "dog", "hat"] * 2
    assert [len(axes.patches) for axes in figure.axes] == [0, 1, 0] * 2


def test_plays_the_pointing_game_only_with_boxes(tmp_path, monkeypatch):
    model = build_classifier(3, backbone="small_resnet", image_size=32)
    monkeypatch.setattr(module, "load_data", lambda *_, **options: boxed_data())
    titles = {}
    for dataset in ("street_fashion", "voc2007"):
        settings = toy_settings(tmp_path / dataset, seeds=(0,), dataset=dataset)
        experiment = Experiment("toy", settings)
        experiment.data[0] = boxed_data()
        add_toy_row(experiment, "model", model=model)
        sections = map_sections(experiment, ("model", "not trained"))
        titles[dataset] = [section.title for section in sections]
        shown = (boxed_data().targets["test"][:6] == 1).any(axis=1).sum()
        assert len(sections[-1].figures) == shown
    assert titles == {"street_fashion": ["Pointing game", "Maps"], "voc2007": ["Maps"]}
