"""Report section of images with their labels, predicted labels and maps."""

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
        baseline: the row whose predicted labels are shown beside the model's.
        rare: largest share of the training images that a rare label has.
    """
    best = experiment.best_of(model)
    rows = {name: experiment.trained[name][best.seed] for name in (baseline, model)}
    data = experiment.data[best.seed]
    present = data.targets["validation"] == 1
    marked = present & ((data.train_targets == 1).mean(axis=0) <= rare)
    if not marked.any():
        marked = present
    chosen = np.flatnonzero(marked.any(axis=1))
    images = images_at(data.validation, chosen[:_NUM_EXAMPLES])
    loaded = best.load_model()
    maps = activation_maps(loaded, np.stack(list(images.values())))
    centers = receptive_field_centers(loaded)

    def names(marks: np.ndarray) -> str:
        return ", ".join(np.array(data.labels.names)[marks]) or "none"

    pictures = []
    for (row, image), each in zip(images.items(), maps, strict=True):
        shown = int(marked[row].argmax())
        lines = [f"true: {names(present[row])}"]
        for name, trained in rows.items():
            predicted = trained.scores["validation"][1][row] >= 0.5
            lines.append(f"{name}: {names(predicted)}")
        drawn = overlay(image, each[..., shown], centers=centers, lowest=None)
        pictures += [
            Picture(image, "\n".join(lines)),
            Picture(drawn, f"map of {data.labels.names[shown]}"),
        ]
    text = (
        "The first validation images with a rare label: their labels, the labels that "
        f"each model predicts with a threshold of 0.5, and the map of {model}, scaled "
        "from its minimum to its maximum."
    )
    return Section("Images and maps", text, pictures=pictures)
