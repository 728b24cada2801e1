"""Report section of images under the maps of labels, right and wrong ones."""

from collections.abc import Callable

import keras
import numpy as np

from kmlic.explain import NoMapsError, activation_maps, draw_map, find_centers
from kmlic.html_report import Gallery, Picture, Section
from kmlic.labels import Labels
from kmlic.metrics import average_precision

# 72 maps take seconds, and less than 1 MB of a page.
_MOST_LABELS = 24
_SIDE = 160  # pixels of a picture
_BATCH = 8


def map_examples(
    model: keras.Model,
    labels: Labels,
    targets: np.ndarray,
    probabilities: np.ndarray,
    load: Callable[[np.ndarray], np.ndarray],
    *,
    shown: str,
) -> Section:
    """Draws where a model looks, for right and wrong predictions of each label.

    For each label up to three images: the most certain one of those that have the label
    and are predicted to have it, the most certain wrong prediction, and the least
    certain of those where the label is missed. Of more than 24 labels the 12 with the
    lowest average precision are shown, and the 12 with the highest.

    Shapes: (N, L) and (N, L).

    Args:
        model: from images to logits. Of one without maps the section is empty.
        labels: names, thresholds and exclusive groups.
        targets: 1 present, 0 absent, -1 unknown.
        probabilities: 0-1, from the model.
        load: from the rows of images, (K,), to their pixels, (K, S, S, 3).
        shown: what the images are, for the text: "test images".
    """
    title = "Where the model looks"
    called = labels.predicted(probabilities)
    precisions = average_precision(targets, probabilities)
    order = np.argsort(precisions, kind="stable")[: (~np.isnan(precisions)).sum()]
    shown_labels = order
    if len(order) > _MOST_LABELS:
        half = _MOST_LABELS // 2
        shown_labels = np.concatenate([order[:half], order[len(order) - half :]])
    chosen = [
        (int(label), kind, int(row))
        for label in shown_labels
        for kind, row in _examples(targets, probabilities, called, label)
    ]
    if not chosen:
        return Section(title)
    rows = np.array(sorted({row for _, _, row in chosen}))
    images = dict(zip(rows.tolist(), load(rows), strict=True))
    try:
        centers = find_centers(model, images[int(rows[0])].shape[0])
        maps = {
            row: each
            for start in range(0, len(rows), _BATCH)
            for row, each in zip(
                rows[start : start + _BATCH].tolist(),
                activation_maps(
                    model, np.stack([images[r] for r in rows[start : start + _BATCH]])
                ),
                strict=True,
            )
        }
    except NoMapsError:
        return Section(title)
    galleries: dict[int, list[Picture]] = {}
    for label, kind, row in chosen:
        drawn = draw_map(
            images[row], maps[row][..., label], centers=centers, side=_SIDE
        )
        probability = probabilities[row, label]
        name = f"{kind}: {labels.names[label]} {probability:.2f}"
        galleries.setdefault(label, []).append(
            Picture(drawn, f"{kind}\n{probability:.2f}", name)
        )
    text = (
        f"The map of each label over {shown}, which are drawn grey, labels with the "
        "lowest average precision first. Shown are the most certain right and wrong "
        "predictions, and the least probable of the missed labels. Labels are "
        "predicted by "
        f"{labels.describe_thresholds()}."
    )
    if len(order) > _MOST_LABELS:
        text += (
            f" Of {len(order)} labels the {half} with the lowest average precision and "
            f"the {half} with the highest."
        )
    return Section(
        title,
        text,
        galleries=[
            Gallery(labels.names[label], pictures)
            for label, pictures in galleries.items()
        ],
    )


def _examples(
    targets: np.ndarray, probabilities: np.ndarray, called: np.ndarray, label: int
) -> list[tuple[str, int]]:
    """Returns the kind and the row of the examples of a label."""
    truth, own, scores = targets[:, label], called[:, label], probabilities[:, label]
    found = []
    for kind, among, sign in (
        ("right", (truth == 1) & own, -1),
        ("wrong", (truth == 0) & own, -1),
        ("missed", (truth == 1) & ~own, 1),
    ):
        rows = np.flatnonzero(among)
        if len(rows):
            best = rows[np.argsort(sign * scores[rows], kind="stable")[0]]
            found.append((kind, int(best)))
    return found
