import numpy as np

from kmlic.experiments import Experiment
from kmlic.experiments.example_section import example_section
from kmlic.models import build_classifier
from tests.toys import add_toy_row, boxed_data, toy_settings


def test_shows_the_first_images_with_their_labels_and_a_map(tmp_path):
    experiment = Experiment("toy", toy_settings(tmp_path / "run", seeds=(0,)))
    data = experiment.data[0] = boxed_data()
    model = build_classifier(3, backbone="small_resnet", image_size=32)
    add_toy_row(experiment, "baseline", 0.1)
    add_toy_row(experiment, "model", 0.9, model)
    section = example_section(experiment, "model", "baseline", rare=0.05)
    shown = np.flatnonzero((data.targets["validation"] == 1).any(axis=1))
    assert len(section.pictures) == 2 * len(shown)
    names = np.array(data.labels.names)
    true = ", ".join(names[data.targets["validation"][shown[0]] == 1])
    assert section.pictures[0].caption == (
        f"true: {true}\nbaseline: none\nmodel: dog, sofa, hat"
    )
    assert section.pictures[1].caption == f"map of {true.split(', ')[0]}"
