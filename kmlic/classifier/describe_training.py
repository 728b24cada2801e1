"""What all runs of one training have in common."""

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kmlic.classifier.classifier_settings import ClassifierSettings
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.reading_options import DEFAULT_READING, ReadingOptions
from kmlic.known_names import DATASETS
from kmlic.run_folder import ASKED, seen_from

_NUM_DIGITS = 16  # that identify a table
_LEFT_OUT = ("folder", "minutes", "log")
# Under these names run.json has what the training found.
_FOUND = ("image_size", "metric")


def describe_training(
    data: Any,
    settings: ClassifierSettings,
    *,
    test: Any = None,
    reading: ReadingOptions | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Describes the data and options of a training, as run.json records them.

    A finished run is only replaced by one with the same description. Folder, minutes
    and log are left out, since the model is the same with others. Files are described
    by where they are as seen from the run's folder, so that their content may change; a
    DataFrame and a `MultiLabelData` by what they hold.

    Args:
        data: see `train_classifier`, as all others.
        settings: of the training.
        test: images for the test alone.
        reading: how paths are read.
        groups: exclusive groups of labels.

    Example:
        >>> settings = ClassifierSettings(folder=Path("runs/mine"), image_size=64)
        >>> found = describe_training("labels.csv", settings)
        >>> found["data"], found["asked_image_size"], "minutes" in found
        ('../../labels.csv', 64, False)
    """
    folder, reading = settings.folder, reading or DEFAULT_READING
    options = {**dataclasses.asdict(settings), "backbone": settings.network}
    options |= {f"{ASKED}{name}": options.pop(name) for name in _FOUND}
    if settings.weights != "imagenet":
        options["weights"] = seen_from(folder, settings.weights)
    root = seen_from(folder, reading.root or Path.cwd())
    options |= {
        "data": _identify(data, folder, root),
        "test": _identify(test, folder, root),
        "reading": reading.describe(folder),
        "groups": groups,
    }
    return {name: value for name, value in options.items() if name not in _LEFT_OUT}


def _identify(data: Any, folder: Path, root: str | None) -> Any:
    if data is None:
        return None
    if isinstance(data, str | os.PathLike):
        text = os.fspath(data)
        named = text in DATASETS and not Path(text).exists()
        return text if named else seen_from(folder, text)
    if isinstance(data, MultiLabelData):
        spec = data.spec and dataclasses.asdict(data.spec)
        if spec:
            spec["path"] = seen_from(folder, spec["path"])
        return {"fingerprint": data.fingerprint, "spec": spec}
    if hasattr(data, "to_csv"):
        text = data.to_csv(index=False)
        digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
        return f"table {digest[:_NUM_DIGITS]} of images in {root}"
    return type(data).__name__
