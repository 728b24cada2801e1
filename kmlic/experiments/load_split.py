"""A split of a run's own or another dataset."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Unpack

import numpy as np
import tensorflow as tf

from kmlic.check_choice import check_choice
from kmlic.count_noun import count_noun
from kmlic.data import DatasetSpec, MultiLabelData, from_path
from kmlic.data.limits import Limits
from kmlic.data.multi_label_data import SPLITS
from kmlic.data.reading_options import ReadingOptions
from kmlic.datasets.load_dataset import LOADERS, load_dataset
from kmlic.experiments.describe_data import (
    SPLIT_BY_TRAIN,
    TRAIN_IMAGES,
    TRAIN_RECIPE,
    describe_data,
)
from kmlic.experiments.run_images import load_run_images
from kmlic.labels import Labels
from kmlic.run_folder import Run, list_changes
from kmlic.shorten_names import shorten_names

Split = Literal["train", "validation", "test", "all"]

# Options of a loader on how images are read, which also hold for other datasets of the
# same loader.
_READING = ("crop", "margin")


class LoadedSplit(NamedTuple):
    """Holds the images of a split that a run can be scored on.

    Args:
        images: batches of images and targets, in order, not augmented.
        names: path of each image, or its digest or number where there are no paths.
        groups: key of each image's group, see `MultiLabelData`; None without groups.
    """

    images: tf.data.Dataset
    names: np.ndarray
    groups: np.ndarray | None


_log = logging.getLogger(__name__)


class LoadOptions(Limits, total=False):
    """Names the options of `load_split` that do not choose the images."""

    data_dir: str | Path | None
    batch_size: int | None
    reading: ReadingOptions | None


def load_split(
    run: str | Path,
    split: Split,
    *,
    dataset: str | Path | None = None,
    data_dir: str | Path | None = None,
    batch_size: int | None = None,
    reading: ReadingOptions | None = None,
    **limits: Unpack[Limits],
) -> LoadedSplit:
    """Loads a split for the exported model of a run, in order, not augmented.

    The run's own dataset is split by the exported model's seed, and must have the
    fingerprint that run.json records; the images of a run of `kmlic train` are those
    that it lists. Targets are in the order of the run's labels; a
    label that another dataset does not have is unknown (-1) there. Images that the
    model was trained on are left out of other datasets and of "all", and counted in a
    log message, unless `split` is "train".

    Args:
        run: the run folder.
        split: "train", "validation", "test" or "all" three.
        dataset: another dataset: a name that `load_dataset` takes, or a path that
            `read_listing` takes; the run's own when None.
        data_dir: the folder of a dataset with a name, or the new path of the run's own;
            the path that run.json records when None.
        batch_size: images per batch; the run's own when None.
        reading: how a path is read, see `read_listing`.
        **limits: of the image files; those of the training for the run's own dataset
            when left out, see `Limits` for others.

    Raises:
        ValueError: if run.json lacks what the model was trained on, the run's own split
            has changed, another dataset has labels that the run lacks, or no image is
            left.
    """
    check_choice("split", split, *SPLITS, "all")
    run = Path(run)
    record, labels = Run.read(run / "run.json"), Labels.read(run / "labels.json")
    trained_on = _trained_on(run, record)
    spec = DatasetSpec(**trained_on["spec"])
    options: dict[str, Any] = {
        "image_size": labels.image_size or _setting(run, record, "image_size"),
        "batch_size": batch_size or _setting(run, record, "batch_size"),
        "seed": spec.seed,
        "augmentation": "none",
        "training": False,
    }
    splits = SPLITS if split == "all" else (split,)
    if dataset is None:
        if spec.name == SPLIT_BY_TRAIN:
            data = load_run_images(
                run, labels, data_dir=data_dir, check=splits, limits=limits, **options
            )
        else:
            path = data_dir or spec.path
            data = _load(spec.name, path, {**spec.options, **options, **limits})
        _require_same_splits(run, trained_on, describe_data(data), splits)
        if not any(data.sizes[part] for part in splits):
            raise ValueError(
                f"the {split} split of {run} must hold an image; there is none. Name a "
                "dataset and the split all: images that the model was trained on are "
                "left out."
            )
    elif str(dataset) in LOADERS:
        if LOADERS[str(dataset)][0] is LOADERS.get(spec.name, (None,))[0]:
            options |= {k: v for k, v in spec.options.items() if k in _READING}
        data = _load(str(dataset), data_dir, {**options, **limits})
    else:
        data = _read(dataset, reading, split, spec, {**options, **limits})
    if dataset is None:
        labels.require_same_names(data.labels)
    names = ["train_in_order" if part == "train" else part for part in splits]
    images, *others = (getattr(data, name) for name in names)
    for other in others:
        images = images.concatenate(other)
    if data.labels.names != labels.names:
        images = images.map(_match_labels(data, labels, splits))
    unseen = dataset is None and split in (unseen_split(run), "test")
    if split == "train" or unseen:
        return LoadedSplit(images, *_describe_images(data, splits))
    return _leave_out(run, data, images, splits, options["batch_size"])


def unseen_split(run: str | Path) -> Literal["validation", "test"]:
    """Returns the split to use a run's model on: "validation" or "test".

    The model of a run of `kmlic train` is fitted to the validation images too.

    Args:
        run: the run folder.
    """
    record = Run.read(Path(run) / "run.json")
    return "test" if record.recipe == TRAIN_RECIPE else "validation"


def _load(
    name: str, data_dir: str | Path | None, options: Mapping[str, Any]
) -> MultiLabelData:
    try:
        return load_dataset(name, data_dir=data_dir, **options)
    except TypeError as error:  # an option that the loader does not have
        raise ValueError(
            f"{name} must be a dataset that takes the options in run.json and of the "
            f"command; got {error}."
        ) from error


def _trained_on(run: Path, record: Run) -> dict[str, Any]:
    exported = record.data.get("exported")
    seeds = record.data.get("seeds", {})
    trained_on = exported and seeds.get(str(exported["seed"]))
    if not trained_on or not trained_on["spec"]:
        raise ValueError(
            f"{run / 'run.json'} must say which images the exported model was trained "
            "on; an earlier version of kmlic wrote it, or no model was exported. Train "
            "and export it again."
        )
    return trained_on


def _setting(run: Path, record: Run, name: str) -> int:
    value = record.settings.get(name)
    if type(value) is not int or value < 1:
        raise ValueError(
            f"{run / 'run.json'} must record the setting {name}, a positive integer; "
            f"got {value!r}."
        )
    return value


def _read(
    path: str | Path,
    reading: ReadingOptions | None,
    split: Split,
    spec: DatasetSpec,
    options: Mapping[str, Any],
) -> MultiLabelData:
    return from_path(
        path,
        reading,
        splitting="none" if split == "all" else "stratified",
        # Digests can only be compared where both are of files, or both of paths.
        check=spec.options.get("check", "decode"),
        **options,
    )


def _require_same_splits(
    run: Path, there: Mapping[str, Any], here: Mapping[str, Any], splits: Sequence[str]
) -> None:
    for split in splits:
        if there["splits"][split] == here["splits"][split]:
            continue
        counts = [each["splits"][split]["images"] for each in (there, here)]
        changes = list_changes(
            *({**each["spec"], **each["spec"]["options"]} for each in (there, here))
        )
        raise ValueError(
            f"the {split} split must be the one that the model of {run} was trained "
            f"with; its images or labels have changed: {count_noun(counts[0], 'image')}"
            f" there, {counts[1]:,} here; "
            f"{changes or 'no option of the dataset differs'}. "
            "Restore the files, or name them as another dataset."
        )


def _match_labels(data: MultiLabelData, labels: Labels, splits: Sequence[str]) -> Any:
    names = data.labels.names
    targets = np.concatenate([data.targets[split] for split in splits])
    marked = (targets != 0).any(axis=0)
    unknown = [
        name
        for name, any_image in zip(names, marked, strict=True)
        if any_image and name not in labels.names
    ]
    if unknown:
        raise ValueError(
            "the dataset must have labels of the run only; it has "
            f"{count_noun(len(unknown), 'other')}: {shorten_names(unknown)}. Leave "
            "them out by ignore_labels, or train a run that has them."
        )
    columns = [names.index(n) if n in names else len(names) for n in labels.names]

    def match(images: tf.Tensor, own: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        own = tf.pad(own, [[0, 0], [0, 1]], constant_values=-1)
        return images, tf.gather(own, columns, axis=1)

    return match


def _leave_out(
    run: Path,
    data: MultiLabelData,
    images: tf.data.Dataset,
    splits: Sequence[str],
    batch_size: int,
) -> LoadedSplit:
    names, groups = _describe_images(data, splits)
    path = run / TRAIN_IMAGES
    if not path.is_file():
        raise ValueError(
            f"{path} must list the images that the model was trained on; there is no "
            "such file. Train the model again."
        )
    try:
        trained_on = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{path} must be an array that kmlic wrote; got {error}."
        ) from error
    digests = np.concatenate([data.digests[split] for split in splits])
    kept = ~np.isin(digests, trained_on)
    if kept.all():
        return LoadedSplit(images, names, groups)
    if not kept.any():
        raise ValueError(
            f"the model of {run} was trained on every image of this split "
            f"({len(kept):,}), so that its scores of them would be too high. Ask for "
            "another split or dataset."
        )
    _log.warning(
        "Left out, because the model was trained on them: %d of %s.",
        (~kept).sum(),
        count_noun(len(kept), "image"),
    )
    marks = tf.data.Dataset.from_tensor_slices(kept)
    pairs = tf.data.Dataset.zip(images.unbatch(), marks).filter(lambda _, keep: keep)
    images = pairs.map(lambda pair, _: pair).batch(batch_size).prefetch(2)
    return LoadedSplit(images, names[kept], None if groups is None else groups[kept])


def _describe_images(
    data: MultiLabelData, splits: Sequence[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the name of each image, and its group where there are groups."""
    groups = None
    if data.groups:
        groups = np.concatenate([np.array(data.groups[s], object) for s in splits])
    if data.paths:
        names = np.concatenate([np.array(data.paths[s], object) for s in splits])
    elif data.digests:
        names = np.concatenate([data.digests[s] for s in splits]).astype(str)
    else:
        sizes = [(split, data.sizes[split]) for split in splits]
        names = np.array([f"{split} {i}" for split, size in sizes for i in range(size)])
    return names, groups
