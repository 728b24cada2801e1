"""Report section on each label: metrics, a curve and examples on demand."""

from collections.abc import Sequence

import numpy as np

from kmlic.evaluation.bootstrap import WITHOUT_INTERVAL
from kmlic.experiments.interval_section import label_interval
from kmlic.experiments.scored_images import ScoredImages
from kmlic.html_report import Chart, Detail, Gallery, Section
from kmlic.run_folder import Run

# Of images that are shown as examples, and of labels that have a curve.
_MOST_IMAGES, _MOST_OF_KIND, _MOST_CURVES = 300, 3, 300
_STEPS = 40
_KINDS = ("Found", "Missed", "Wrongly predicted")


def label_section(
    run: Run,
    tested: ScoredImages,
    examined: ScoredImages,
    *,
    split: str,
    models: Sequence[str],
    training: np.ndarray,
) -> Section:
    """Lists precision, recall, threshold and average precision of each label.

    On demand it shows how precision and recall change with the threshold, and images
    where the label is found, missed and wrongly predicted.

    Args:
        run: its record.
        tested: the images of the metrics, scored by the exported model.
        examined: the images of curves and examples.
        split: the name of the tested images in run.json.
        models: rows in run.json whose average precision is listed, the exported one,
            which has intervals, first.
        training: (L,) number of training images with each label.
    """
    labels = tested.labels
    truth, predicted = tested.targets == 1, tested.predicted
    known = tested.targets != -1
    right = (truth & predicted).sum(axis=0)
    called, present = (predicted & known).sum(axis=0), truth.sum(axis=0)
    precisions = [run.per_label[split].get(model, {}) for model in models]
    rows = [
        [
            name,
            f"{training[i]:,}",
            f"{present[i]:,}",
            _percent(right[i], called[i]),
            _percent(right[i], present[i]),
            *([] if labels.exclusive else [f"{labels.thresholds[i]:.2f}"]),
            _percent(precisions[0].get(name)),
            label_interval(run, split, models[0], name),
            *(_percent(own.get(name)) for own in precisions[1:]),
        ]
        for i, name in enumerate(labels.names)
    ]
    text = (
        f"Of {models[0]} on {tested.name}, in percent: precision says how many "
        "predictions of the label are right, recall how many images with the label are "
        f"found. Labels are predicted by {labels.describe_thresholds()}. Average "
        f"precision (AP) is over all thresholds. {WITHOUT_INTERVAL}\n\nA label opens "
        f"its curve and examples, of {examined.name}."
    )
    return Section(
        "Labels",
        text,
        [
            "label",
            "training images",
            f"{split} images",
            "precision",
            "recall",
            *([] if labels.exclusive else ["threshold"]),
            "AP",
            "95 % interval",
            *(f"AP, {model}" for model in models[1:]),
        ],
        rows,
        details=_details(examined),
    )


def _details(examined: ScoredImages) -> list[Detail]:
    labels = examined.labels
    each = min(max(_MOST_IMAGES // (len(_KINDS) * len(labels)), 1), _MOST_OF_KIND)
    shown = range(min(len(labels), _MOST_CURVES))
    with_examples = _MOST_IMAGES // len(_KINDS)
    examples = {
        label: _examples(examined, label, each)
        for label in shown
        if label < with_examples
    }
    pictures = examined.pictures(
        {
            (row, label): f"{examined.probabilities[row, label]:.2f}"
            for label, kinds in examples.items()
            for rows in kinds.values()
            for row in rows
        }
    )
    return [
        Detail(
            labels.names[label],
            charts=[_chart(examined, label)],
            galleries=[
                Gallery(kind, [pictures[row, label] for row in rows])
                for kind, rows in examples.get(label, {}).items()
            ],
        )
        for label in shown
    ]


def _examples(
    examined: ScoredImages, label: int, most: int
) -> dict[str, Sequence[int]]:
    scores = examined.probabilities[:, label]
    truth, predicted = examined.targets[:, label], examined.predicted[:, label]
    marks = (
        (truth == 1) & predicted,
        (truth == 1) & ~predicted,
        (truth == 0) & predicted,
    )
    found = {}
    for kind, marked in zip(_KINDS, marks, strict=True):
        rows = np.flatnonzero(marked)
        order = np.argsort(scores[rows] if kind == "Missed" else -scores[rows])
        found[kind] = rows[order[:most]].tolist()
    return found


def _chart(examined: ScoredImages, label: int) -> Chart:
    known = examined.targets[:, label] != -1
    truth = examined.targets[known, label] == 1
    scores = examined.probabilities[known, label]
    curves: dict[str, list[tuple[float, float]]] = {"precision": [], "recall": []}
    for threshold in np.linspace(0, 1, _STEPS + 1):
        called = scores >= threshold
        right = (called & truth).sum()
        if called.any():
            curves["precision"].append((threshold, right / called.sum()))
        if truth.any():
            curves["recall"].append((threshold, right / truth.sum()))
    labels = examined.labels
    own = None if labels.exclusive else labels.thresholds[label]
    text = "" if own is None else f"; the dashed line is its own, {own:.2f}"
    return Chart(
        f"Precision and recall of {labels.names[label]} by threshold",
        f"threshold{text}",
        curves,
        own,
    )


def _percent(part: float | None, of: float = 1.0) -> str:
    if part is None or np.isnan(part) or not of:
        return "-"
    return f"{100 * part / of:.1f}"
