"""Metrics of how much of a map lies in the boxes of its label."""

import numpy as np

from kmlic.evaluation import mass_in_boxes
from kmlic.experiments.experiment import SPLITS, Experiment
from kmlic.experiments.load_data import has_boxes, load_data
from kmlic.explain import activation_maps, receptive_field_centers


def add_map_mass(experiment: Experiment) -> None:
    """Adds the share of each row's maps that lies in the label's boxes as metrics.

    Nothing is added if the dataset has no boxes.

    Args:
        experiment: whose trainings are done.
    """
    settings = experiment.settings
    if not has_boxes(settings):
        return
    data = load_data(settings, settings.seeds[0], boxes=True)
    for name, trainings in experiment.trained.items():
        for seed, trained in trainings.items():
            if trained.model_path is None:
                continue
            model = trained.load_model()
            centers = receptive_field_centers(model)
            for split in SPLITS:
                maps = [
                    activation_maps(model, images.numpy())
                    for images, _ in getattr(data, split)
                ]
                mass = mass_in_boxes(
                    np.concatenate(maps),
                    data.boxes[split],
                    data.labels.names,
                    centers=centers,
                )
                values = {
                    "map in box": mass.share,
                    "box in image": mass.area,
                    "map / box": mass.concentration,
                }
                experiment.add_metrics(name, seed, split, values)
