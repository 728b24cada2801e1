"""Features of a frozen model, computed once for each image of a dataset."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kmlic.atomic_write import atomic_write
from kmlic.check_choice import check_choice
from kmlic.count_noun import count_noun
from kmlic.data import MultiLabelData
from kmlic.data.in_order import in_order
from kmlic.data.keras_augmentation import mix
from kmlic.data.multi_label_data import SPLITS
from kmlic.data.progress import with_progress
from kmlic.data.training_batches import ShuffledRows, TrainingBatches
from kmlic.layers.keras_internals import flatten_layers
from kmlic.make_console import make_console

AUGMENTATIONS = ("none", "flip", "mixup", "flip+mixup")


class CachedFeatures:
    """Computes the outputs of a frozen model once, to train a head on them.

    The frozen model is run on each image, and on its mirror image, once. Its outputs
    are stored as float16 under a name that follows from its weights and the pixels of
    all images: another run, seed or split of the same images reuses them; other
    weights or a single other pixel do not. An interrupted computation leaves nothing.

    A backbone is cut at a layer, for instance ``keras.Model(inner.input,
    inner.get_layer("block_12_add").output)``. The head takes the features and is joined
    with the frozen model afterwards, for exports and anything else that takes images::

        features = CachedFeatures(lower, data, folder)
        experiment.train(
            name, seed, build_upper, features.load(batch_size=32, seed=seed),
            epochs=epochs, whole=features.join,
        )

    Args:
        extractor: functional model, from images (B, S, S, 3) of pixels 0-255 to one or
            more tensors; run in inference mode.
        data: the images; needs `train_in_order`.
        folder: folder with one folder for each cache.
        mirrored: whether to compute the features of mirror images, which `load` needs
            to flip.

    Raises:
        ValueError: if `train_in_order` is None, a dimension of an output is unknown, or
            an output does not fit into float16.

    Example:
        >>> import tempfile
        >>> from kmlic.labels import Labels
        >>> batches = tf.data.Dataset.from_tensors((tf.ones((1, 8, 8, 3)), [[1.0]]))
        >>> data = MultiLabelData(
        ...     batches, batches, batches, Labels(("dog",)),
        ...     targets=dict.fromkeys(SPLITS, np.ones((1, 1), "int8")),
        ...     train_in_order=batches,
        ... )
        >>> images = keras.Input((8, 8, 3))
        >>> lower = keras.Model(images, keras.layers.AveragePooling2D(4)(images))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     features = CachedFeatures(lower, data, folder)
        ...     (maps, _), = features.load(batch_size=1).test
        Computing the features of 3 images
        >>> tuple(maps.shape)
        (1, 2, 2, 3)
    """

    def __init__(
        self,
        extractor: keras.Model,
        data: MultiLabelData,
        folder: str | Path,
        *,
        mirrored: bool = True,
    ):
        if data.train_in_order is None:
            raise ValueError("`data.train_in_order` must be a dataset; got None.")
        self.extractor = extractor
        self.shapes = [tuple(output.shape[1:]) for output in extractor.outputs]
        if None in sum(self.shapes, ()):
            raise ValueError(
                "`extractor` must return features of a known shape; got "
                f"{self.shapes}. Build it for one image size."
            )
        self._images = data
        self._kinds = ("plain", "mirrored") if mirrored else ("plain",)
        digests = {split: self._digests(split) for split in SPLITS}
        known = sorted(set().union(*digests.values()))
        row = {digest: number for number, digest in enumerate(known)}
        self._rows = {
            split: np.array([row[digest] for digest in each], np.int64)
            for split, each in digests.items()
        }
        identity = hashlib.sha256(_describe(extractor))
        identity.update(b"".join(known))
        if not mirrored:
            identity.update(b"plain")
        self.path = Path(folder) / identity.hexdigest()[:32]
        if not self.path.exists():
            self._compute(len(known))
        self._plain = self._open("plain")
        self._mirrored = self._open("mirrored") if mirrored else []

    def load(
        self, *, batch_size: int, seed: int = 0, augmentation: str = "flip"
    ) -> MultiLabelData:
        """Returns the dataset with features instead of images, in the same splits.

        A batch holds one float32 array of features, or a tuple of them if the frozen
        model has several outputs. Call it again for each training, so that trainings
        with the same seed see the same batches.

        Args:
            batch_size: images per batch.
            seed: seed of the order and the augmentation of training images.
            augmentation: "none"; "flip", which replaces a training image by its mirror
                image with probability one half; "mixup", which mixes the features and
                targets of each image with those of another; or "flip+mixup".

        Raises:
            ValueError: if there are fewer training images than `batch_size`, or the
                augmentation is not possible.
        """
        check_choice("augmentation", augmentation, *AUGMENTATIONS)
        if not 1 <= batch_size <= len(self._rows["train"]):
            raise ValueError(
                "`batch_size` must be from 1 to the number of training images; got "
                f"batch_size={batch_size} for {len(self._rows['train'])} images."
            )
        if "flip" in augmentation and not self._mirrored:
            raise ValueError(
                "`augmentation` must not flip if `mirrored` was False; got "
                f"augmentation={augmentation!r}."
            )
        return dataclasses.replace(
            self._images,
            train=self._batches("train", batch_size, seed, augmentation),
            train_in_order=self._batches("train", batch_size),
            validation=self._batches("validation", batch_size),
            test=self._batches("test", batch_size),
            source=self._images,
            device_augmentation="none",
        )

    def join(self, head: keras.Model) -> keras.Model:
        """Returns a model of images: the frozen model followed by a head.

        It is a copy of both with all layers on one level.

        Args:
            head: functional model with one input for each output of the frozen model.
        """
        features = self.extractor.outputs
        outputs = head.call(features if len(features) > 1 else features[0])
        joined = keras.Model(self.extractor.input, outputs, name=head.name)
        # The layers are now in two graphs, which makes their `output` ambiguous.
        copy = keras.models.clone_model(joined)
        copy.set_weights(joined.get_weights())
        return copy

    def _in_order(self, split: str) -> tf.data.Dataset:
        data = self._images
        return data.train_in_order if split == "train" else getattr(data, split)

    def _digests(self, split: str) -> list[bytes]:
        return [
            hashlib.blake2b(image.tobytes(), digest_size=16).digest()
            for images, _ in self._in_order(split).as_numpy_iterator()
            for image in images
        ]

    def _compute(self, count: int) -> None:
        with atomic_write(self.path) as temporary:
            temporary.mkdir()
            arrays = {
                kind: [
                    np.lib.format.open_memmap(
                        temporary / f"{kind}_{index}.npy",
                        "w+",
                        np.float16,
                        (count, *shape),
                    )
                    for index, shape in enumerate(self.shapes)
                ]
                for kind in self._kinds
            }
            # Not `predict_on_batch`, which returns a batch once for each replica.
            extract = tf.function(
                lambda images: self.extractor(images, training=False),
                reduce_retracing=True,
            )
            total = sum(map(len, self._rows.values()))
            make_console().print(
                f"Computing the features of {count_noun(total, 'image')}"
            )
            counts = [int(self._in_order(split).cardinality()) for split in SPLITS]
            known = sum(counts) if min(counts) >= 0 else None
            batches = with_progress(self._numbered_batches(), "features", known)
            for rows, images in batches:
                self._write(arrays["plain"], rows, extract(images))
                if "mirrored" in arrays:
                    self._write(arrays["mirrored"], rows, extract(images[:, :, ::-1]))
            for array in itertools.chain(*arrays.values()):
                array.flush()

    def _write(
        self, arrays: Sequence[np.ndarray], rows: np.ndarray, features: Any
    ) -> None:
        outputs = map(np.asarray, keras.tree.flatten(features))
        for index, (array, output) in enumerate(zip(arrays, outputs, strict=True)):
            with np.errstate(over="ignore"):
                array[rows] = output
            if not np.isfinite(array[rows]).all():
                raise ValueError(
                    "`extractor` must return finite features below 65504, to be stored "
                    f"in float16; got {np.abs(output).max():g} in output {index}."
                )

    def _numbered_batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for split in SPLITS:
            start = 0
            for images, _ in self._in_order(split).as_numpy_iterator():
                yield self._rows[split][start : start + len(images)], images
                start += len(images)

    def _open(self, kind: str) -> list[np.ndarray]:
        return [
            np.load(self.path / f"{kind}_{index}.npy", mmap_mode="r")
            for index in range(len(self.shapes))
        ]

    def _batches(
        self,
        split: str,
        batch_size: int,
        seed: int = 0,
        augmentation: str | None = None,
    ) -> tf.data.Dataset:
        """Returns training batches if an augmentation is named, else all in order."""
        rows = self._rows[split]
        targets = self._images.targets[split].astype(np.float32)
        augmentations = (augmentation or "none").split("+")

        def read(
            images: tf.Tensor, numbers: tf.Tensor | None = None
        ) -> tuple[tf.Tensor | tuple[tf.Tensor, ...], tf.Tensor]:
            mirror = tf.zeros_like(images, tf.bool)
            if numbers is not None and "flip" in augmentations:
                mirror = numbers[:, 0] % 2 == 1
            kept = tf.numpy_function(
                self._gather,
                [tf.gather(rows, images), mirror],
                [tf.float16] * len(self.shapes),
            )
            features = tuple(
                tf.ensure_shape(tf.cast(each, tf.float32), (images.shape[0], *shape))
                for each, shape in zip(kept, self.shapes, strict=True)
            )
            own = tf.gather(targets, images)
            if numbers is not None and "mixup" in augmentations:
                features, own = _mix(features, own, numbers[0])
            return features if len(features) > 1 else features[0], own

        def load(draws: tf.data.Dataset) -> tf.data.Dataset:
            return in_order(draws.map(read, tf.data.AUTOTUNE).prefetch(2))

        if augmentation is None:
            return load(tf.data.Dataset.range(len(rows)).batch(batch_size))
        features = tuple(
            tf.TensorSpec((batch_size, *shape), tf.float32) for shape in self.shapes
        )
        return TrainingBatches(
            ShuffledRows(np.arange(len(rows)), batch_size, seed),
            load,
            (
                features if len(features) > 1 else features[0],
                tf.TensorSpec((batch_size, targets.shape[1]), tf.float32),
            ),
        )

    def _gather(self, rows: np.ndarray, mirror: np.ndarray) -> list[np.ndarray]:
        gathered = []
        for index, plain in enumerate(self._plain):
            features = plain[rows]
            if mirror.any():
                features[mirror] = self._mirrored[index][rows[mirror]]
            gathered.append(features)
        return gathered


def _mix(
    features: tuple[tf.Tensor, ...], targets: tf.Tensor, seed: tf.Tensor
) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
    """Mixes the features and targets of each image with those of another image."""
    mixed, shares = [], targets
    for each in features:
        # `mix` takes images, but uses the size of the batch only.
        as_images = tf.reshape(each, (each.shape[0], 1, 1, -1))
        as_images, shares = mix(as_images, targets, seed, "mixup")
        mixed.append(tf.reshape(as_images, each.shape))
    return tuple(mixed), shares


def _describe(model: keras.Model) -> bytes:
    """Returns bytes that identify what a model computes, without layer names."""
    text = json.dumps(model.get_config(), sort_keys=True, default=str)
    # Keras numbers unnamed layers differently in each process.
    for index, layer in enumerate(flatten_layers(model)):
        text = text.replace(json.dumps(layer.name), f'"{index}"')
    weights = b"".join(np.asarray(weight).tobytes() for weight in model.weights)
    return text.encode() + hashlib.sha256(weights).digest()
