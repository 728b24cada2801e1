"""Predictions as files."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from kmlic.atomic_write import atomic_write, require_writable
from kmlic.escape_text import escape_undecodable, guard_cell
from kmlic.labels import Labels
from kmlic.predict.predict_paths import Prediction


def write_predictions(
    predictions: Iterable[Prediction],
    path: str | Path,
    labels: Labels,
    *,
    guard: bool = True,
) -> tuple[int, int, int]:
    r"""Writes predictions as CSV or JSON lines, completely or not at all.

    CSV has the columns path, labels (joined by "|", as `kmlic.data.from_csv` reads
    them), error, and the probability of each label. JSON lines have one object per
    image with the same names, and probabilities by label. Bytes of a file name that are
    not UTF-8 are written as escapes, for instance caf\xe9.jpg.

    Args:
        predictions: from `predict_paths`; they are not kept in memory.
        path: the file, .csv or .jsonl.
        labels: of the model.
        guard: whether an apostrophe is put before a text in a CSV that a spreadsheet
            would run as a formula, because it starts with = + - @.

    Returns:
        The number of images, how many of them were broken, and how many names had bytes
        that are not UTF-8.

    Raises:
        ValueError: before any prediction is made, if the suffix is neither.
    """
    path = Path(path)
    require_writable(path, suffixes=(".csv", ".jsonl"))
    counts = [0, 0, 0]

    def counted() -> Iterator[Prediction]:
        for prediction in predictions:
            counts[0] += 1
            counts[1] += prediction.error is not None
            name = str(prediction.path)
            counts[2] += escape_undecodable(name) != name
            yield prediction

    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        if path.suffix == ".csv":
            _write_csv(counted(), file, labels, guard)
        else:
            _write_json_lines(counted(), file, labels)
    return counts[0], counts[1], counts[2]


def as_record(prediction: Prediction, labels: Labels) -> dict[str, Any]:
    """Returns path, labels and probabilities by label, None for a broken image.

    Args:
        prediction: from `predict_paths`.
        labels: of the model.
    """
    scores = prediction.probabilities
    return {
        "path": escape_undecodable(str(prediction.path)),
        "labels": list(prediction.labels),
        "probabilities": None
        if scores is None
        else dict(zip(labels.names, map(float, scores), strict=True)),
    }


def _write_csv(
    predictions: Iterable[Prediction], file: TextIO, labels: Labels, guard: bool
) -> None:
    def cell(text: str) -> str:
        text = escape_undecodable(text)
        return guard_cell(text) if guard else text

    writer = csv.writer(file)
    writer.writerow(["path", "labels", "error", *map(cell, labels.names)])
    for row in predictions:
        probabilities = (
            [""] * len(labels)
            if row.probabilities is None
            else [f"{probability:.6g}" for probability in row.probabilities]
        )
        writer.writerow(
            [
                cell(str(row.path)),
                cell("|".join(row.labels)),
                cell(row.error or ""),
                *probabilities,
            ]
        )


def _write_json_lines(
    predictions: Iterable[Prediction], file: TextIO, labels: Labels
) -> None:
    for row in predictions:
        error = row.error and escape_undecodable(row.error)
        content = {**as_record(row, labels), "error": error}
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        file.write(text + "\n")
