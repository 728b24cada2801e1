"""CIFAR-100, 100 labels, from its files or through tensorflow-datasets."""

import hashlib
import zipfile
from pathlib import Path
from typing import Unpack

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from kmlic.data.build_batches import BatchOptions, build_splits
from kmlic.data.check_images import shorten
from kmlic.data.dataset_spec import DatasetSpec
from kmlic.data.from_tfds import from_tfds, multi_hot, prepare_alone
from kmlic.data.multi_label_data import SPLITS, MultiLabelData
from kmlic.data.splits import split_images
from kmlic.data.storage import read_lines
from kmlic.declared_sizes import check_npz
from kmlic.labels import Labels

_SIDE = 32
_RECORD = 2 + 3 * _SIDE**2  # coarse label, fine label, red, green, blue
# Ten times the dataset.
_MOST_BYTES = 2 * 1024**3
_VALIDATION_FRACTION = 0.1

_TFDS_SPLITS = {"train": "train[:90%]", "validation": "train[90%:]", "test": "test"}

_Images = tuple[np.ndarray, np.ndarray, tuple[str, ...]]


def load_cifar100(
    *, data_dir: str | Path | None = None, **options: Unpack[BatchOptions]
) -> MultiLabelData:
    """Loads CIFAR-100 with its 100 fine labels, one per image.

    Args:
        data_dir: a folder with the binary version (train.bin, test.bin,
            fine_label_names.txt), or with one `.npz` of x (N, 32, 32, 3) uint8, y (N,)
            and classes. A random tenth of the training images of the binary version is
            the validation split; the images of an `.npz` are split 7 : 1 : 2. None uses
            tensorflow-datasets, which downloads it if necessary.
        **options: see `BatchOptions`. The images are of 32 x 32 pixels; those of a
            folder are in memory in any case.

    Raises:
        ValueError: naming the file and what is wrong with it.

    Example:
        >>> load_cifar100(data_dir="photos", image_size=32, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: photos must be a folder; there is no such folder.
    """
    if data_dir is None:
        return _load_tfds(**options)
    folder, seed = Path(data_dir), options.get("seed", 0)
    if not folder.is_dir():
        raise ValueError(f"{folder} must be a folder; there is no such folder.")
    if (folder / "test.bin").is_file():
        images, classes, names = _read_binary(folder)
        split = _split_binary(folder, classes, len(names), seed)
    else:
        images, classes, names = _read_npz(folder)
        split = split_images(_one_hot(classes, len(names)), seed=seed)
    targets = _one_hot(classes, len(names))
    members = {name: np.flatnonzero(split == i) for i, name in enumerate(SPLITS)}
    elements = {
        name: tf.data.Dataset.from_tensor_slices((images[own], targets[own]))
        for name, own in members.items()
    }
    # The images are in memory already.
    batches = build_splits(elements, tf.identity, options, cache=False)
    return MultiLabelData(
        **batches,
        labels=_labels(names, options["image_size"]),
        targets={name: targets[own] for name, own in members.items()},
        paths={name: tuple(map(str, own)) for name, own in members.items()},
        spec=DatasetSpec("cifar100", data_dir, seed),
        digests={
            name: shorten(hashlib.sha256(images[i].tobytes()).digest() for i in own)
            for name, own in members.items()
        },
    )


def _read_npz(folder: Path) -> _Images:
    files = sorted(folder.glob("*.npz"))
    if len(files) != 1:
        raise ValueError(
            f"{folder} must hold train.bin, test.bin and fine_label_names.txt, or one "
            f".npz file; it holds {len(files)} .npz files. Download the binary "
            "version: the Python version is a pickle."
        )
    path = files[0]
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MOST_BYTES:
            raise ValueError(f"{size:,} bytes, more than {_MOST_BYTES:,}")
        check_npz(path)
        with np.load(path, allow_pickle=False) as arrays:
            images, classes, names = (arrays[key] for key in ("x", "y", "classes"))
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} must be an .npz file of x, y and classes; got {error}."
        ) from error
    names = tuple(str(name) for name in names)
    if images.dtype != np.uint8 or images.shape[1:] != (_SIDE, _SIDE, 3):
        raise ValueError(
            f"{path}: x must be (N, {_SIDE}, {_SIDE}, 3) uint8; got {images.dtype} of "
            f"shape {images.shape}."
        )
    if classes.shape != images.shape[:1]:
        raise ValueError(
            f"{path}: y must be ({len(images)},), one per image; got shape "
            f"{classes.shape}."
        )
    _require_known(path, classes, names)
    return images, classes.astype(np.int64), names


def _read_binary(folder: Path) -> _Images:
    path = folder / "fine_label_names.txt"
    names = tuple(name for line in read_lines(path) for name in line.split())
    records = []
    for file in (folder / "train.bin", folder / "test.bin"):
        size = file.stat().st_size if file.is_file() else 0
        if not size or size % _RECORD or size > _MOST_BYTES:
            raise ValueError(
                f"{file} must hold records of {_RECORD} bytes; it has {size:,} bytes."
            )
        records.append(np.fromfile(file, np.uint8).reshape(-1, _RECORD))
        _require_known(file, records[-1][:, 1], names)
    both = np.concatenate(records)
    images = both[:, 2:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return images, both[:, 1].astype(np.int64), names


def _split_binary(
    folder: Path, classes: np.ndarray, num_labels: int, seed: int
) -> np.ndarray:
    count = (folder / "train.bin").stat().st_size // _RECORD
    split = np.full(len(classes), SPLITS.index("test"), np.int8)
    random = np.random.default_rng(seed)
    for label in range(num_labels):
        members = random.permutation(np.flatnonzero(classes[:count] == label))
        held = round(_VALIDATION_FRACTION * len(members))
        split[members[:held]] = SPLITS.index("validation")
        split[members[held:]] = SPLITS.index("train")
    return split


def _require_known(path: Path, classes: np.ndarray, names: tuple[str, ...]) -> None:
    wrong = np.flatnonzero((classes < 0) | (classes >= len(names)))
    if len(wrong):
        raise ValueError(
            f"{path}: the label of image {wrong[0]} must be below {len(names)}, the "
            f"number of names; got {classes[wrong[0]]}."
        )


def _labels(names: tuple[str, ...], image_size: int) -> Labels:
    return Labels(names, groups={"class": names}, image_size=image_size, exclusive=True)


def _one_hot(classes: np.ndarray, num_labels: int) -> np.ndarray:
    return np.eye(num_labels, dtype=np.int8)[classes]


def _load_tfds(**options: Unpack[BatchOptions]) -> MultiLabelData:
    builder = prepare_alone(lambda: tfds.builder("cifar100"))
    names = tuple(builder.info.features["label"].names)

    return from_tfds(
        builder,
        splits=_TFDS_SPLITS,
        labels=_labels(names, options["image_size"]),
        targets=lambda example, _: multi_hot([example["label"]], len(names)),
        spec=DatasetSpec("cifar100"),
        name="id",
        **options,
    )
