"""The images of a JSON file of FiftyOne."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kmlic.data.find_images import place_rows
from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.read_json import read_json
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.split_name import infer_splits, split_name
from kmlic.data.storage import is_file, join, parent

_FIELDS = ("ground_truth", "classifications", "labels")
_NAMES = ("samples.json", "labels.json")


def read_fiftyone(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads the images of FiftyOne's samples.json or labels.json.

    A row is the number of the sample in the file, from 1. A tag train, validation or
    test of every sample is its split.

    Args:
        path: the file.
        reading: see `ReadingOptions`; `labels_column` names the field of the labels,
            else ground_truth or the first one that holds some.

    Raises:
        ValueError: naming the file and the row that breaks a rule.
    """
    content = read_json(path)
    root = parent(path) if reading.root is None else reading.root
    rows, splits, without = [], [], []
    for number, (name, value, tags) in enumerate(_samples(path, content), start=1):
        field = reading.labels_column
        if isinstance(value, dict) and "filepath" in value:
            value = value.get(field) if field else _first_labels(value)
        try:
            labels = _labels(value, content)
        except (IndexError, TypeError, KeyError) as error:
            raise ValueError(
                f"{path} row {number}: labels must be classifications; got {error}."
            ) from error
        if labels is None:
            without.append(name)
        else:
            rows.append(ImageRow(number, name, tuple(dict.fromkeys(labels))))
            splits.append(next(filter(None, map(split_name, tags)), ""))
    unlabelled = Finding(
        "warning", "Samples without labels", "They are left out.", ("image",), without
    )
    rows, not_found = place_rows(rows, root, suffix=reading.suffix)
    rows, unused = infer_splits(rows, splits)
    return Listing(
        rows,
        path,
        root,
        findings=[unlabelled, unused, *_other_file(path), *not_found],
        summary="FiftyOne: the classifications of each sample",
    )


def _other_file(path: str | Path) -> Iterator[Finding]:
    own = Path(path).name
    if own in _NAMES:
        other = _NAMES[1 - _NAMES.index(own)]
        yield Finding(
            "note",
            f"A file {other} that is not read",
            f"{own} beside it is. Give the path of {other} to read that.",
            count=int(is_file(join(parent(path), other))),
        )


def _samples(
    path: str | Path, content: Any
) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Yields the image of each sample, what holds its labels, and its tags."""
    if isinstance(content, dict) and isinstance(content.get("labels"), dict):
        for name, value in content["labels"].items():
            yield name, value, ()
        return
    samples = content.get("samples") if isinstance(content, dict) else content
    if not isinstance(samples, list):
        raise ValueError(
            f'{path} must hold a list "samples" or an object "labels", as FiftyOne\'s '
            "files do."
        )
    for number, sample in enumerate(samples, start=1):
        if not isinstance(sample, dict) or not isinstance(sample.get("filepath"), str):
            raise ValueError(f"{path} row {number}: a sample must have a filepath.")
        tags = sample.get("tags")
        tags = tags if isinstance(tags, list) else []
        yield sample["filepath"], sample, tuple(t for t in tags if isinstance(t, str))


def _first_labels(sample: Mapping[str, Any]) -> Any:
    kinds = ("classifications", "detections", "label")
    fields = [*(field for field in _FIELDS if field in sample), *sample]
    held = (sample[field] for field in fields if isinstance(sample[field], dict))
    return next((value for value in held if any(kind in value for kind in kinds)), None)


def _labels(value: Any, content: Any) -> list[str] | None:
    """Returns the labels that a field holds in one of FiftyOne's forms."""
    if value is None:
        return None
    if isinstance(value, dict):
        value = value.get("classifications", value.get("detections", value))
    values = value if isinstance(value, list) else [value]
    return [_name(each, content) for each in values]


def _name(value: Any, content: Any) -> str:
    if isinstance(value, dict):
        value = value["label"]
    if type(value) is int:
        value = content["classes"][value]
    if not isinstance(value, str) or not value.strip():
        raise TypeError(repr(value))
    return value.strip()
