"""A dataset of a tensorflow-datasets builder."""

import contextlib
import functools
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, Unpack

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from kmlic.atomic_write import parents_of, remove
from kmlic.claim import Claim
from kmlic.data.build_batches import BatchOptions, build_splits, fits_in_cache
from kmlic.data.check_images import shorten
from kmlic.data.dataset_spec import DatasetSpec
from kmlic.data.decode_plain import decode_plain
from kmlic.data.in_order import in_order
from kmlic.data.multi_label_data import SPLITS, Boxes, MultiLabelData
from kmlic.labels import Labels
from kmlic.require_reachable import require_reachable

# Encoded images held to shuffle; tensorflow-datasets has stored them shuffled.
_STREAM_BUFFER = 4096

Example = Mapping[str, Any]
B = TypeVar("B", bound=tfds.core.DatasetBuilder)


def prepare_tfds(
    name: str, data_dir: str | Path | None, *, host: str
) -> tfds.core.DatasetBuilder:
    """Returns the builder of a dataset, after downloading it if it is not there.

    Args:
        name: of the dataset, with its configuration.
        data_dir: folder of tensorflow-datasets; its default when None.
        host: URL of the server that the images are downloaded from.

    Raises:
        ConnectionError: if it is not there and cannot be downloaded.
    """
    folder = tfds.core.constants.DATA_DIR if data_dir is None else data_dir
    remedy = (
        f"Prepare {name} with tensorflow-datasets on another machine and pass its "
        "folder as `data_dir` (--data_dir FOLDER, or --root FOLDER of kmlic train)."
    )
    prepared = Path(folder).expanduser().glob(f"{name}/*/dataset_info.json")
    if "://" not in os.fspath(folder) and not any(prepared):
        require_reachable(host, remedy)
    try:
        return prepare_alone(lambda: tfds.builder(name, data_dir=data_dir))
    except Exception as error:  # tensorflow-datasets raises whatever its servers cause
        raise ConnectionError(
            f"{name} could not be downloaded: {error} {remedy}"
        ) from error


def prepare_alone(make: Callable[[], B]) -> B:
    """Returns a builder, after preparing its dataset if it is not there.

    One process prepares a dataset at a time; others wait for it. What killed processes
    left of it is removed.

    Args:
        make: returns a new builder.
    """
    builder = make()
    if builder.is_prepared():
        return builder
    folder = os.fspath(builder.data_dir)
    with contextlib.ExitStack() as stack:
        if "://" not in folder:  # a store such as gs:// has no locks
            stack.enter_context(parents_of(Path(folder)))
            stack.enter_context(Claim(Path(folder), wait=True))
            _remove_incomplete(Path(folder))
        builder = make()
        builder.download_and_prepare()
    return builder


def _remove_incomplete(folder: Path) -> None:
    """Removes the folders in which tensorflow-datasets was preparing a dataset."""
    for path in folder.parent.glob(f"incomplete.*_{folder.name}"):
        below = os.path.join(path.resolve(), "")  # noqa: PTH118 - with a "/" behind
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):  # a process that has ended
                if os.readlink(link).startswith(below):  # noqa: PTH115 - faster
                    break  # it was started without kmlic, and runs
        else:
            remove(path)


def from_tfds(
    builder: tfds.core.DatasetBuilder,
    *,
    splits: Mapping[str, str],
    labels: Labels,
    targets: Callable[[Example, str], tf.Tensor],
    spec: DatasetSpec,
    caption: str | None = None,
    name: str | None = "image/filename",
    unlabelled: bool = True,
    boxes: Callable[[Example], Boxes] | None = None,
    **options: Unpack[BatchOptions],
) -> MultiLabelData:
    """Loads a prepared tensorflow-datasets dataset.

    The images must be stored as 8-bit JPEG or PNG. All are read once now, but decoded
    when the batches are.

    Args:
        builder: prepared, with a feature "image".
        splits: "train", "validation" and "test" to the builder's split expressions.
        labels: of the targets.
        targets: computes (L,) of 1, 0, -1 from an example, with its image encoded, and
            the split.
        spec: loads the same data again.
        caption: feature that holds a text per image, or None.
        name: feature that names an image, as text or number, or None.
        boxes: returns the boxes of an example in NumPy, without its image, or None.
        unlabelled: whether to keep images without any label.
        **options: see `BatchOptions`. The cache holds at most 2 GiB, and only images of
            one size.

    Raises:
        ValueError: if the splits are not the three, or a training batch cannot be
            filled.
    """
    if set(splits) != set(SPLITS):
        raise ValueError(f"`splits` must name {SPLITS}; got {tuple(splits)}.")
    shape = builder.info.features["image"].shape
    load = functools.partial(decode_plain, image_size=options["image_size"])
    encoded = {split: _encoded(builder, splits[split]) for split in SPLITS}
    total = sum(int(examples.cardinality()) for examples in encoded.values())
    cache = options.get("cache", True) and None not in shape
    cache = cache and fits_in_cache(total * int(np.prod(shape)))
    all_targets, all_paths, all_boxes, digests, images = {}, {}, {}, {}, {}
    captions: tuple[str, ...] = ()
    for split, examples in encoded.items():
        read = _read_all(examples, split, targets, {"name": name, "caption": caption})
        marks = np.array(read["targets"], np.int8)
        kept = (marks == 1).any(axis=1) | unlabelled
        all_targets[split] = marks[kept]
        digests[split] = shorten(itertools.compress(read["digests"], kept))
        if name is not None:
            all_paths[split] = tuple(map(_text, itertools.compress(read["name"], kept)))
        if boxes is not None:
            own = map(boxes, _without_images(examples))
            all_boxes[split] = tuple(itertools.compress(own, kept))
        if caption is not None and split == "train":
            captions = tuple(map(_text, itertools.compress(read["caption"], kept)))
        pairs = examples.map(
            lambda example, split=split: (example["image"], targets(example, split))
        )
        if not unlabelled:
            pairs = pairs.filter(lambda _, marks: tf.reduce_any(marks == 1))
            count = tf.data.experimental.assert_cardinality(int(kept.sum()))
            pairs = pairs.apply(count)
        images[split] = pairs
    return MultiLabelData(
        **build_splits(
            images,
            load,
            options,
            cache=cache,
            load_part=load,
            shuffle_buffer=None if cache else _STREAM_BUFFER,
        ),
        labels=labels,
        targets=all_targets,
        paths=all_paths,
        captions=captions,
        boxes=all_boxes,
        spec=spec,
        digests=digests,
    )


def multi_hot(indices: tf.Tensor, num_labels: int) -> tf.Tensor:
    """Marks the labels of an example by their indices, which may repeat.

    Shapes: (K,) to (num_labels,) int32.

    Example:
        >>> multi_hot([2, 0, 2], 4).numpy().tolist()
        [1, 0, 1, 0]
    """
    marks = tf.one_hot(indices, num_labels, True, False, dtype=tf.bool)
    return tf.cast(tf.reduce_any(marks, axis=0), tf.int32)


def _encoded(builder: tfds.core.DatasetBuilder, split: str) -> tf.data.Dataset:
    examples = builder.as_dataset(
        split=split,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    count = builder.info.splits[split].num_examples
    return in_order(examples.apply(tf.data.experimental.assert_cardinality(count)))


def _without_images(examples: tf.data.Dataset) -> Iterator[Example]:
    def strip(example: Example) -> Example:
        return {key: value for key, value in example.items() if key != "image"}

    return examples.map(strip).as_numpy_iterator()


def _text(value: bytes | np.integer) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _read_all(
    examples: tf.data.Dataset,
    split: str,
    targets: Callable[[Example, str], tf.Tensor],
    features: Mapping[str, str | None],
) -> dict[str, list[Any]]:
    wanted = {key: feature for key, feature in features.items() if feature is not None}

    def read(example: Example) -> dict[str, tf.Tensor]:
        return {
            "digests": example["image"],
            "targets": tf.cast(targets(example, split), tf.int8),
            **{key: example[feature] for key, feature in wanted.items()},
        }

    # One image at a time: together they need not fit into memory.
    rows = []
    for row in examples.map(read).prefetch(16).as_numpy_iterator():
        rows.append({**row, "digests": hashlib.sha256(row["digests"]).digest()})
    return {key: [row[key] for row in rows] for key in ("digests", "targets", *wanted)}
