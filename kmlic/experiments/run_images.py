"""The images of a run of `kmlic train`: where they are, and which split each is in."""

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import tensorflow as tf

from kmlic.data import DatasetSpec, MultiLabelData, check_images
from kmlic.data.build_batches import BatchOptions, build_batches
from kmlic.data.check_images import shorten
from kmlic.data.file_pixels import FilePixels
from kmlic.data.limits import Limits
from kmlic.data.multi_label_data import SPLITS
from kmlic.data.storage import join
from kmlic.experiments.describe_data import SPLIT_BY_TRAIN
from kmlic.labelled_arrays import read_arrays, write_arrays
from kmlic.labels import Labels

RUN_IMAGES = "images.npz"

_KEYS = ("files", "paths", "turns", "boxes", "targets", "split", "digests", "groups")
_SHOWN = 5


def write_run_images(
    run: Path,
    labels: Labels,
    pixels: FilePixels,
    *,
    paths: Sequence[str],
    targets: np.ndarray,
    split: np.ndarray,
    digests: np.ndarray,
    groups: Sequence[Hashable] | None = None,
) -> None:
    """Writes which images a run was trained and tested on, to load them again.

    Args:
        run: the run folder.
        labels: of the run.
        pixels: files and boxes of the images.
        paths: (N,) the files as the data lists them.
        targets: (N, L) 1 present, 0 absent, -1 unknown.
        split: (N,) 0 training, 1 validation, 2 test.
        digests: (N,) of the files, see `InspectedRows.short_digests`.
        groups: (N,) of the images, None or "" for none; None if the data has none.
    """
    texts = [str(group or "") for group in groups or ()]
    boxes = np.empty((0, 4), np.int32) if pixels.boxes is None else pixels.boxes
    files = [os.fsdecode(file) for file in pixels.files.tolist()]
    absolute = [f if "://" in f else os.path.abspath(f) for f in files]  # noqa: PTH100
    arrays = {
        "files": _join_texts(absolute),
        "paths": _join_texts(paths),
        "turns": pixels.turns,
        "boxes": boxes,
        "targets": targets,
        "split": split,
        "digests": digests,
        "groups": _join_texts(texts) if any(texts) else np.empty(0, np.uint8),
    }
    write_arrays(run / RUN_IMAGES, labels.names, arrays)


def load_run_images(
    run: Path,
    labels: Labels,
    *,
    data_dir: str | Path | None = None,
    check: Sequence[str] = SPLITS,
    limits: Limits | None = None,
    **options: Unpack[BatchOptions],
) -> MultiLabelData:
    """Loads the images that a run of `kmlic train` was trained and tested on.

    Args:
        run: the run folder.
        labels: of the run.
        data_dir: folder that the paths are relative to, where images have moved.
        check: splits whose files are read and must be as they were.
        limits: of the files, see `Limits`.
        **options: of the batches.

    Raises:
        ValueError: if the run was not trained on files, or one of them has changed.
    """
    if not (run / RUN_IMAGES).is_file():
        raise ValueError(
            f"{run} was trained on images that cannot be loaded by name; name a "
            "dataset and the split all: images that the model was trained on are left "
            "out. `kmlic export` takes images with --images."
        )
    _, arrays = read_arrays(run / RUN_IMAGES, _KEYS, names=labels.names)
    paths = _split_texts(arrays["paths"])
    files = _split_texts(arrays["files"])
    if data_dir is not None:
        files = [join(data_dir, path) for path in paths]
    members = {
        name: np.flatnonzero(arrays["split"] == i) for i, name in enumerate(SPLITS)
    }
    for split in check:
        _require_unchanged(
            run,
            [files[row] for row in members[split]],
            arrays["digests"][members[split]],
            limits or {},
        )
    boxes = arrays["boxes"] if len(arrays["boxes"]) else None
    pixels = FilePixels(
        np.array([os.fsencode(file) for file in files]),
        arrays["turns"],
        boxes,
        limits or {},
    )
    groups = _split_texts(arrays["groups"]) if len(arrays["groups"]) else []
    targets = {name: arrays["targets"][rows] for name, rows in members.items()}

    def load(reference: tuple[tf.Tensor, ...]) -> tf.Tensor:
        return pixels.load(reference, image_size=options["image_size"])

    # Training images in order too: the run is scored, not trained again.
    own: dict[str, Any] = {**options, "cache": False, "training": False}
    batches = {
        name: build_batches(
            tf.data.Dataset.from_tensor_slices(
                (pixels.references(rows), targets[name])
            ),
            load,
            **own,
        )
        for name, rows in members.items()
    }
    return MultiLabelData(
        **batches,
        train_in_order=batches["train"],
        labels=labels,
        targets=targets,
        groups={n: tuple(groups[row] for row in rows) for n, rows in members.items()}
        if groups
        else {},
        paths={n: tuple(paths[row] for row in rows) for n, rows in members.items()},
        spec=DatasetSpec(SPLIT_BY_TRAIN, seed=options.get("seed", 0)),
        digests={name: arrays["digests"][rows] for name, rows in members.items()},
    )


def _require_unchanged(
    run: Path, files: list[str], digests: np.ndarray, limits: Limits
) -> None:
    checks = check_images(files, depth="header", **limits)
    missing = [each.problem for each in checks if not each.digest]
    if missing:
        raise ValueError(
            f"the images of {run} must be where they were; {len(missing)} are not: "
            f"{'; '.join(missing[:_SHOWN])} Name the folder that their paths are "
            "relative to as data_dir if they have moved."
        )
    changed = np.flatnonzero(shorten(each.digest for each in checks) != digests)
    if changed.size:
        names = ", ".join(files[index] for index in changed[:_SHOWN])
        raise ValueError(
            f"the images of {run} must be those of its training; {len(changed)} have "
            f"changed: {names}. Restore them, or name them as another dataset."
        )


def _join_texts(texts: Sequence[str]) -> np.ndarray:
    """Returns texts as numbers; the last one has no end, no text holds a zero."""
    return np.frombuffer(b"\0".join(os.fsencode(text) for text in texts), np.uint8)


def _split_texts(numbers: np.ndarray) -> list[str]:
    return [os.fsdecode(text) for text in numbers.tobytes().split(b"\0")]
