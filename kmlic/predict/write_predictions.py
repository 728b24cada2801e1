"""Predictions as files."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from kmlic.atomic_write import atomic_write
from kmlic.labels import Labels
from kmlic.predict.predict_paths import Prediction


def write_predictions(
    predictions: Iterable[Prediction], path: str | Path, labels: Labels
) -> tuple[int, int]:
    """Writes predictions as CSV or JSON lines, completely or not at all.

    CSV has the columns path, labels (joined by "|", as `kmlic.data.from_csv` reads
    them), error, and the probability of each label. JSON lines have one object per
    image with the same names, and probabilities by label.

    Args:
        predictions: from `predict_paths`; they are not kept in memory.
        path: the file, .csv or .jsonl.
        labels: of the model.

    Returns:
        The number of images and how many of them were broken.

    Raises:
        ValueError: before any prediction is made, if the suffix is neither.
    """
    path = Path(path)
    writers = {".csv": _write_csv, ".jsonl": _write_json_lines}
    if path.suffix not in writers:
        raise ValueError(
            f"`path` must end with .csv or .jsonl; got path={str(path)!r}."
        )
    counts = [0, 0]

    def counted() -> Iterator[Prediction]:
        for prediction in predictions:
            counts[0] += 1
            counts[1] += prediction.error is not None
            yield prediction

    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writers[path.suffix](counted(), file, labels)
    return counts[0], counts[1]


def as_record(prediction: Prediction, labels: Labels) -> dict[str, Any]:
    """Returns path, labels and probabilities by label, None for a broken image.

    Args:
        prediction: from `predict_paths`.
        labels: of the model.
    """
    scores = prediction.probabilities
    return {
        "path": str(prediction.path),
        "labels": list(prediction.labels),
        "probabilities": None
        if scores is None
        else dict(zip(labels.names, map(float, scores), strict=True)),
    }


def _write_csv(predictions: Iterable[Prediction], file: TextIO, labels: Labels) -> None:
    writer = csv.writer(file)
    writer.writerow(["path", "labels", "error", *labels.names])
    for row in predictions:
        probabilities = (
            [""] * len(labels)
            if row.probabilities is None
            else [f"{probability:.6g}" for probability in row.probabilities]
        )
        writer.writerow(
            [row.path, "|".join(row.labels), row.error or "", *probabilities]
        )


def _write_json_lines(
    predictions: Iterable[Prediction], file: TextIO, labels: Labels
) -> None:
    for row in predictions:
        content = {**as_record(row, labels), "error": row.error}
        file.write(json.dumps(content, ensure_ascii=False) + "\n")
