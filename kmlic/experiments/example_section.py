"""Images with their labels, the models' labels and a map."""

import numpy as np

from kmlic.experiments.experiment import Experiment
from kmlic.experiments.images_at import images_at
from kmlic.explain import activation_maps, overlay, receptive_field_centers
from kmlic.html_report import Picture, Section

_NUM_EXAMPLES = 8


def example_section(
    experiment: Experiment, model: str, baseline: str, *, rare: float
) -> Section:
    """Shows the first validation images with a rare label under the map of that label.

    Args:
        experiment: whose trainings are done.
        model: the row whose maps are drawn, in its best seed.
        baseline: the row whose labels are shown beside the model's.
        rare: largest share of the training images that a rare label has.
    """
    best = experiment.best_of(model)
    rows = {name: experiment.trained[name][best.seed] for name in (baseline, model)}
    data = experiment.data[best.seed]
    few = (data.train_targets == 1).mean(axis=0) <= rare
    targets = data.targets["validation"]
    marked = (targets == 1) & few
    chosen = np.flatnonzero((marked if marked.any() else targets == 1).any(axis=1))
    images = images_at(data.validation, chosen[:_NUM_EXAMPLES])
    loaded = best.load_model()
    maps = activation_maps(loaded, np.stack(list(images.values())))
    centers = receptive_field_centers(loaded)

    def names(marks: np.ndarray) -> str:
        present = np.flatnonzero(marks)
        return ", ".join(data.labels.names[i] for i in present) or "none"

    pictures = []
    for (row, image), each in zip(images.items(), maps, strict=True):
        shown = np.flatnonzero(marked[row] if marked[row].any() else targets[row] == 1)[
            0
        ]
        lines = [f"true: {names(targets[row] == 1)}"]
        for name, trained in rows.items():
            predicted = trained.scores["validation"][1][row] >= 0.5
            lines.append(f"{name}: {names(predicted)}")
        drawn = overlay(image, each[..., shown], centers=centers, lowest=None)
        pictures += [
            Picture(image, "\n".join(lines)),
            Picture(drawn, f"map of {data.labels.names[shown]}"),
        ]
    text = (
        "The first images of the validation split with a rare label: their labels, "
        "the labels that each model predicts at a probability of one half, and the map "
        f"of {model}, from its minimum to its maximum."
    )
    return Section("Images and maps", text, pictures=pictures)
