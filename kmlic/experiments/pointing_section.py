"""Report section on the pointing game."""

import functools
from collections.abc import Mapping

import keras
import numpy as np

from kmlic.data import MultiLabelData
from kmlic.evaluation import (
    Pointing,
    Report,
    format_mean,
    mean_and_deviation,
    pointing_game,
)
from kmlic.experiments.experiment import Experiment
from kmlic.explain import (
    Centers,
    activation_maps,
    count_measured,
    receptive_field_centers,
)
from kmlic.html_report import Section

_NUM_MEASURED = 256  # validation images for measuring the centers of a map's cells
_CENTRE = "centre of the image"  # a constant map points there


def pointing_section(
    experiment: Experiment, data: Mapping[int, MultiLabelData]
) -> Section:
    """Plays the pointing game with the maps of every row on the test images.

    The shares of hits become metrics of the rows, with names that start with
    "pointing".

    Args:
        experiment: whose trainings are done.
        data: seed to its dataset, with boxes.
    """
    labels = next(iter(data.values())).labels
    columns = {"pointing": None} | {
        f"pointing/{group}": labels.indices(group) for group in labels.groups or ()
    }
    rows = []
    for name in [*experiment.trained, _CENTRE]:
        shares = []
        for seed, each in data.items():
            model = None
            if name != _CENTRE:
                trained = experiment.trained[name][seed]
                if trained.model_path is None:
                    continue  # without maps, like an average of models
                model = trained.load_model()
            pointing, difficult, by_windows = _count_hits(model, each)
            values = {key: pointing.accuracy(own) for key, own in columns.items()}
            values["pointing/difficult"] = difficult.accuracy()
            values["pointing/by windows"] = by_windows.accuracy()
            if name == _CENTRE:
                report = Report(values, {}, len(each.boxes["test"]))
                experiment.add_report("pointing", name, seed, report)
            else:
                experiment.add_metrics(name, seed, "test", values)
            shares.append(list(values.values()))
        if shares:
            means = map(mean_and_deviation, np.transpose(shares))
            rows.append((name, *(format_mean(*each) for each in means)))
    text = (
        "How often the maximum of a label's map lies in one of the label's boxes, on "
        "test images with the label, in percent and averaged over labels. Difficult: "
        "only images where these boxes cover less than a quarter of the image. The "
        "centers of a map's cells are measured by gradients on validation images; by "
        "windows: they are computed from the network's kernels and strides. Rows with "
        "average and maximum pooling use class activation maps. No boxes were used in "
        "training."
    )
    header = ("row", "all labels", *(labels.groups or ()), "difficult", "by windows")
    return Section("Pointing game", text, header, rows)


def measure_centers(model: keras.Model, data: MultiLabelData) -> Centers:
    """Measures the receptive field centers of a model's maps on validation images."""
    size = data.validation.element_spec[0].shape[1]
    wanted = min(_NUM_MEASURED, count_measured(size))
    images = data.validation.unbatch().take(wanted)
    pixels = np.stack([image for image, _ in images.as_numpy_iterator()])
    return receptive_field_centers(model, pixels, show_progress=True)


def _count_hits(
    model: keras.Model | None, data: MultiLabelData
) -> tuple[Pointing, Pointing, Pointing]:
    counts, start = [], 0
    centers = unmeasured = None
    if model is not None:
        centers = measure_centers(model, data)
        unmeasured = receptive_field_centers(model)
    for images, _ in data.test.as_numpy_iterator():
        boxes = data.boxes["test"][start : start + len(images)]
        maps = np.zeros((len(images), 1, 1, len(data.labels)))
        if model is not None:
            maps = activation_maps(model, images)
        game = functools.partial(pointing_game, maps, boxes, data.labels.names)
        counts.append(
            (
                game(centers=centers),
                game(centers=centers, difficult=True),
                game(centers=unmeasured),
            )
        )
        start += len(images)
    every, difficult, by_windows = np.sum(counts, axis=0)
    return Pointing(*every), Pointing(*difficult), Pointing(*by_windows)
