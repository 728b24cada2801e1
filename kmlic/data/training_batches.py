"""Training batches that can start at any step of a training."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from kmlic.data.in_order import in_order

_ENDLESS = np.iinfo(np.int64).max
# What the numbers drawn from one seed are for.
_ORDER, _IMAGES = 0, 1


@dataclasses.dataclass(frozen=True, eq=False)
class ShuffledRows:
    """Says which images are in a training batch, by the batch's step alone.

    Images that can be read by their rows are shuffled in each epoch.

    Args:
        rows: of the images.
        batch_size: images per batch; those that do not fill the last batch of an epoch
            are left out.
        seed: decides the order of each epoch and the numbers of each step.

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

    def from_step(self, step: int) -> tf.data.Dataset:
        """Returns the draws of a step and of all after it, without end.

        A draw holds the images' rows (B,) int64, two numbers per image (B, 2) int32 to
        augment it by, and what else was read of the images.
        """
        rows = tf.constant(self.rows, tf.int64)
        steps = _steps(self)
        size = steps, self.batch_size

        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            seed = _fold_in(self.seed, _ORDER, number)
            order = tf.random.experimental.stateless_shuffle(rows, seed)
            order = tf.reshape(order[: size[0] * size[1]], size)
            return tf.data.Dataset.from_tensor_slices(order)

        epochs = tf.data.Dataset.range(step // steps, _ENDLESS).flat_map(epoch)
        drawn = epochs.skip(step % steps)
        return tf.data.Dataset.zip(drawn, _numbers(self.seed, step, self.batch_size))


@dataclasses.dataclass(frozen=True, eq=False)
class ShuffledStream:
    """Shuffles images that can only be read one after the other, block by block.

    After an interruption the images of the epoch before a step are read again, but not
    decoded.

    Args:
        elements: in the same order each time.
        rows: of the elements to take.
        batch_size: as in `ShuffledRows`.
        seed: as in `ShuffledRows`.
        block: elements that are shuffled together; twice as many are in memory.
    """

    elements: tf.data.Dataset
    rows: np.ndarray
    batch_size: int
    seed: int
    block: int

    def from_step(self, step: int) -> tf.data.Dataset:
        """Returns the draws of a step and of all after it, as `ShuffledRows` does."""
        steps = _steps(self)
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
            return shuffled.take(steps * self.batch_size)

        epochs = tf.data.Dataset.range(step // steps, _ENDLESS).flat_map(epoch)
        drawn = epochs.skip(step % steps * self.batch_size)
        drawn = drawn.batch(self.batch_size, drop_remainder=True)
        numbers = _numbers(self.seed, step, self.batch_size)
        return tf.data.Dataset.zip(drawn, numbers).map(
            lambda drawn, numbers: (drawn[0], numbers, drawn[1])
        )


Order = ShuffledRows | ShuffledStream


def _steps(order: Order) -> int:
    return len(order.rows) // order.batch_size


class TrainingBatches(tf.data.Dataset):
    """Holds the batches of all epochs; each depends on the seed and its step alone.

    Each iteration yields the next epoch; the first one may need memory for all images.
    `from_step` is faster and yields the same batches without end, so an interrupted
    training continues at once.

    Args:
        order: of the images.
        load: loads batches from the draws of the order.
        element_spec: of a batch.
        mixes: whether an image's pixels depend on the others of its batch.

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
        mixes: bool = False,
    ) -> None:
        self.order = order
        self.steps = _steps(order)
        self._load = load
        self._mixes = mixes
        self._epochs = itertools.count()
        generated = tf.data.Dataset.from_generator(
            self._next_epoch, output_signature=element_spec
        )
        counted = tf.data.experimental.assert_cardinality(self.steps)
        self._one = in_order(generated.apply(counted).prefetch(2))
        super().__init__(self._one._variant_tensor)

    @property
    def element_spec(self) -> Any:
        """Returns the shapes and types of a batch."""
        return self._one.element_spec

    def from_step(self, step: int, part: int = 0, parts: int = 1) -> tf.data.Dataset:
        """Returns the batches of a step and of all after it, without end.

        Args:
            step: batches before it, those of earlier epochs included.
            part: which part of each batch to return.
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
        if self._mixes:
            return self._load(draws).map(cut)
        return self._load(draws.map(cut))

    def rows(self, step: int) -> np.ndarray:
        """Returns the rows of the images in the batch of a step."""
        return next(iter(self.order.from_step(step)))[0].numpy()

    def keep(self, rows: np.ndarray) -> "TrainingBatches":
        """Returns the batches of these images alone."""
        own = self.order.rows[np.isin(self.order.rows, rows)]
        order = dataclasses.replace(self.order, rows=own)
        return TrainingBatches(order, self._load, self.element_spec, mixes=self._mixes)

    def map_batches(self, function: Callable) -> "TrainingBatches":
        """Applies a function to the images and targets of every batch."""
        mapped = self._one.map(function)
        return TrainingBatches(
            self.order,
            lambda draws: self._load(draws).map(function),
            mapped.element_spec,
            mixes=self._mixes,
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
