"""Training batches that begin at any step, as if all before had been gone through."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

_ENDLESS = np.iinfo(np.int64).max
# What the numbers drawn from one seed are for.
_ORDER, _IMAGES = 0, 1


@dataclasses.dataclass(frozen=True, eq=False)
class ShuffledRows:
    """Says which images are in a training batch, by the batch's step alone.

    Images that can be read by their rows are shuffled anew each epoch.

    Args:
        rows: of the images.
        batch_size: images a batch; those that do not fill the last batch are left out
            of that epoch.
        seed: with the epoch it fixes the order, with the step an image's numbers.

    Example:
        >>> order = ShuffledRows(np.arange(7), batch_size=3, seed=0)
        >>> all_rows = [draw[0].numpy().tolist() for draw in order.from_step(0).take(9)]
        >>> all_rows[5:] == [
        ...     draw[0].numpy().tolist() for draw in order.from_step(5).take(4)
        ... ]
        True
    """

    rows: np.ndarray
    batch_size: int
    seed: int

    @property
    def steps(self) -> int:
        """Counts the batches of an epoch."""
        return len(self.rows) // self.batch_size

    def from_step(self, step: int) -> tf.data.Dataset:
        """Returns the draws of a step and of all after it, without end.

        A draw holds the images' rows (B,) int64, two numbers per image (B, 2) int32 to
        augment it by, and what else was read of the images.
        """
        rows = tf.constant(self.rows, tf.int64)
        size = self.steps, self.batch_size

        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            seed = _fold_in(self.seed, _ORDER, number)
            order = tf.random.experimental.stateless_shuffle(rows, seed)
            order = tf.reshape(order[: size[0] * size[1]], size)
            return tf.data.Dataset.from_tensor_slices(order)

        epochs = tf.data.Dataset.range(step // self.steps, _ENDLESS).flat_map(epoch)
        drawn = epochs.skip(step % self.steps)
        return tf.data.Dataset.zip(drawn, _numbers(self.seed, step, self.batch_size))

    def keep(self, rows: np.ndarray) -> "ShuffledRows":
        """Leaves out all other images."""
        return dataclasses.replace(self, rows=self.rows[np.isin(self.rows, rows)])


@dataclasses.dataclass(frozen=True, eq=False)
class ShuffledStream:
    """Shuffles images that can only be read one after the other, block by block.

    What comes before a step is read anew after an interruption, within its epoch, but
    not decoded.

    Args:
        elements: in the same order each time.
        rows: of the elements to take.
        batch_size: as in `ShuffledRows`.
        seed: as in `ShuffledRows`.
        block: elements that are shuffled among each other; twice as many are in memory.
    """

    elements: tf.data.Dataset
    rows: np.ndarray
    batch_size: int
    seed: int
    block: int

    @property
    def steps(self) -> int:
        """Counts the batches of an epoch."""
        return len(self.rows) // self.batch_size

    def from_step(self, step: int) -> tf.data.Dataset:
        """Gives the draws of a step and of all after it."""
        taken = np.zeros(int(self.elements.cardinality()), bool)
        taken[self.rows] = True
        blocks = self.elements.enumerate()
        if not taken.all():
            blocks = blocks.filter(lambda row, _: tf.constant(taken)[row])
        blocks = blocks.batch(self.block).enumerate()

        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            seed = _fold_in(self.seed, _ORDER, number)

            def shuffle(index: tf.Tensor, block: Any) -> Any:
                own = tf.random.experimental.stateless_fold_in(seed, index)
                places = tf.range(tf.shape(block[0])[0])
                order = tf.random.experimental.stateless_shuffle(places, own)
                return tf.nest.map_structure(lambda x: tf.gather(x, order), block)

            shuffled = blocks.map(shuffle).prefetch(1).unbatch()
            return shuffled.take(self.steps * self.batch_size)

        epochs = tf.data.Dataset.range(step // self.steps, _ENDLESS).flat_map(epoch)
        drawn = epochs.skip(step % self.steps * self.batch_size)
        drawn = drawn.batch(self.batch_size, drop_remainder=True)
        numbers = _numbers(self.seed, step, self.batch_size)
        return tf.data.Dataset.zip(drawn, numbers).map(
            lambda drawn, numbers: (drawn[0], numbers, drawn[1])
        )

    def keep(self, rows: np.ndarray) -> "ShuffledStream":
        """Leaves out all other images."""
        return dataclasses.replace(self, rows=self.rows[np.isin(self.rows, rows)])


Order = ShuffledRows | ShuffledStream


class TrainingBatches(tf.data.Dataset):
    """Holds the batches of all epochs, each a function of the seed and its step alone.

    Gone through like any dataset it gives one epoch, and each time the next one; the
    first of these passes may take memory for all images. `from_step` is faster and
    gives the same batches without end, from any step on: a training that was
    interrupted need not go through what it had done.

    Args:
        order: which images are in which batch.
        load: the order's draws to batches; called when the batches are asked for.
        element_spec: of a batch.
        whole: whether an image's pixels depend on the others of its batch.

    Example:
        >>> images = tf.reshape(tf.range(5.0), (5, 1))
        >>> batches = TrainingBatches(
        ...     ShuffledRows(np.arange(5), batch_size=2, seed=0),
        ...     lambda draws: draws.map(lambda rows, _: tf.gather(images, rows)),
        ...     tf.TensorSpec((2, 1)),
        ... )
        >>> everything = [x.numpy().tolist() for x in [*batches, *batches, *batches]]
        >>> everything[3:] == [x.numpy().tolist() for x in batches.from_step(3).take(3)]
        True
    """

    def __init__(
        self,
        order: Order,
        load: Callable[[tf.data.Dataset], tf.data.Dataset],
        element_spec: Any,
        *,
        whole: bool = False,
    ) -> None:
        self.order = order
        self.steps = order.steps
        self._load = load
        self._whole = whole
        self._epochs = itertools.count()
        generated = tf.data.Dataset.from_generator(
            self._next_epoch, output_signature=element_spec
        )
        self._one = generated.apply(
            tf.data.experimental.assert_cardinality(self.steps)
        ).prefetch(2)
        super().__init__(self._one._variant_tensor)

    @property
    def element_spec(self) -> Any:
        """Gives shapes and types of a batch."""
        return self._one.element_spec

    def from_step(self, step: int, part: int = 0, parts: int = 1) -> tf.data.Dataset:
        """Gives the batches of a step and of all after it, without end.

        Args:
            step: batches before it, those of earlier epochs included.
            part: which part of each batch to give.
            parts: number of parts, of the same size, that a batch is divided into.
        """
        draws = self.order.from_step(step)

        def cut(*batch: Any) -> Any:
            def slice_(each: tf.Tensor) -> tf.Tensor:
                size = each.shape[0] // parts
                return each[part * size : (part + 1) * size]

            return tf.nest.map_structure(slice_, batch)

        if parts == 1:
            return self._load(draws)
        if self._whole:
            return self._load(draws).map(cut)
        return self._load(draws.map(cut))

    def rows(self, step: int) -> np.ndarray:
        """Gives the rows of the images in the batch of a step."""
        return next(iter(self.order.from_step(step)))[0].numpy()

    def keep(self, rows: np.ndarray) -> "TrainingBatches":
        """Leaves out all other images."""
        return TrainingBatches(
            self.order.keep(rows), self._load, self.element_spec, whole=self._whole
        )

    def map_batches(self, function: Callable) -> "TrainingBatches":
        """Applies a function to the images and targets of every batch."""
        mapped = self._one.map(function)
        return TrainingBatches(
            self.order,
            lambda draws: self._load(draws).map(function),
            mapped.element_spec,
            whole=self._whole,
        )

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._one]

    def _next_epoch(self) -> Iterator[Any]:
        start = next(self._epochs) * self.steps
        return self.from_step(start).take(self.steps).as_numpy_iterator()


def _numbers(seed: int, step: int, batch_size: int) -> tf.data.Dataset:
    def draw(number: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform(
            (batch_size, 2),
            _fold_in(seed, _IMAGES, number),
            minval=None,
            maxval=None,
            dtype=tf.int32,
        )

    return tf.data.Dataset.range(step, _ENDLESS).map(draw)


def _fold_in(seed: int, purpose: int, number: tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(
        tf.constant([seed, purpose], tf.int64), number
    )
