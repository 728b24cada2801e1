"""Report sections on where models look."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kmlic.data import Boxes, MultiLabelData
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.load_data import has_boxes, load_data
from kmlic.experiments.pointing_section import measure_centers, pointing_section
from kmlic.explain import Centers, activation_maps, overlay
from kmlic.html_report import Section

_NUM_IMAGES = 6


def map_sections(experiment: Experiment, names: Sequence[str]) -> list[Section]:
    """Draws maps over images, and plays the pointing game if the dataset has boxes.

    Args:
        experiment: whose trainings are done.
        names: rows whose maps are drawn; those that were not trained are left out.
    """
    settings = experiment.settings
    boxes = {"boxes": True} if has_boxes(settings) else {}
    data = {seed: load_data(settings, seed, **boxes) for seed in settings.seeds}
    sections = [pointing_section(experiment, data)] if boxes else []
    first = settings.seeds[0]
    models = {
        name: experiment.trained[name][first].load_model()
        for name in names
        if name in experiment.trained
    }
    return [*sections, _draw_maps(models, data[first])]


def _draw_maps(models: Mapping[str, keras.Model], data: MultiLabelData) -> Section:
    images = next(iter(data.test.unbatch().batch(_NUM_IMAGES)))[0].numpy()
    maps = {name: activation_maps(model, images) for name, model in models.items()}
    centers = {name: measure_centers(model, data) for name, model in models.items()}
    figures = []
    for index, image in enumerate(images):
        present = np.flatnonzero(data.targets["test"][index] == 1)
        if len(present):
            boxes = data.boxes["test"][index] if data.boxes else None
            own = {name: each[index] for name, each in maps.items()}
            figures.append(
                _draw_image(image, own, centers, present, data.labels.names, boxes)
            )
    text = (
        "Test images under the maps of their labels, each scaled from its minimum to "
        "its maximum, with the labels' boxes if the dataset has any. One line per "
        "model."
    )
    return Section("Maps", text, figures=figures)


def _draw_image(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    centers: Mapping[str, Centers],
    present: np.ndarray,
    names: Sequence[str],
    boxes: Boxes | None,
) -> Figure:
    columns = 1 + len(present)
    figure = Figure(figsize=(1.5 * columns, 1.7 * len(maps)), layout="tight")
    grid = figure.subplots(len(maps), columns, squeeze=False)
    for line, (model, each) in zip(grid, maps.items(), strict=True):
        line[0].imshow(image.astype("uint8"))
        line[0].set(xticks=(), yticks=())
        line[0].set_ylabel(model, fontsize=8)
        for axes, label in zip(line[1:], present, strict=True):
            rows, across = (own[:, label] for own in centers[model])
            shown = overlay(
                image, each[..., label], centers=(rows, across), lowest=None
            )
            axes.imshow(shown)
            axes.set(xticks=(), yticks=())
            axes.set_title(names[label], fontsize=8)
            if boxes is not None:
                _draw_boxes(axes, boxes, names[label], image.shape)
    return figure


def _draw_boxes(axes: Axes, boxes: Boxes, label: str, shape: tuple[int, ...]) -> None:
    height, width = shape[:2]
    for name, (top, left, bottom, right) in zip(*boxes, strict=True):
        if name == label:
            axes.add_patch(
                Rectangle(
                    (left * width, top * height),
                    (right - left) * width,
                    (bottom - top) * height,
                    fill=False,
                    edgecolor="white",
                )
            )
