import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import TrainingBatches
from kmlic.data.build_batches import build_batches
from kmlic.data.training_batches import ShuffledRows, ShuffledStream
from kmlic.training import CachedFeatures
from tests.training.test_cached_features import make_data, make_extractor

COUNT, BATCH = 11, 3
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 9, 12, 3), np.uint8)
TARGETS = np.eye(COUNT, dtype="int8")
STEPS = COUNT // BATCH
ELEMENTS = tf.data.Dataset.range(COUNT)


def order(kind, rows=range(COUNT), seed=0):
    rows = np.array(rows)
    if kind == "rows":
        return ShuffledRows(rows, BATCH, seed)
    return ShuffledStream(ELEMENTS, rows, BATCH, seed, block=4)


def drawn(dataset, count):
    return [draw[0].numpy().tolist() for draw in dataset.take(count)]


@pytest.mark.parametrize("kind", ["rows", "stream"])
def test_an_epoch_takes_each_image_once_in_an_order_of_its_own(kind):
    batches = drawn(order(kind).from_step(0), 20 * STEPS)
    epochs = np.reshape(batches, (20, STEPS * BATCH)).tolist()
    assert all(len(set(epoch)) == STEPS * BATCH for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 20
    assert {row for epoch in epochs for row in epoch} == set(range(COUNT))
    assert drawn(order(kind, seed=1).from_step(0), STEPS) != batches[:STEPS]


@pytest.mark.parametrize("kind", ["rows", "stream"])
@pytest.mark.parametrize("step", [1, STEPS, 2 * STEPS + 2])
def test_what_is_drawn_follows_from_the_step_alone(kind, step):
    whole = list(order(kind).from_step(0).skip(step).take(5).as_numpy_iterator())
    tf.random.set_seed(7)  # no state of the process enters
    begun = list(order(kind).from_step(step).take(5).as_numpy_iterator())
    for one, other in zip(whole, begun, strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)


def test_a_stream_gives_the_element_of_its_row():
    for rows, _, elements in order("stream").from_step(2).take(6):
        np.testing.assert_array_equal(rows, elements)


@pytest.mark.parametrize("kind", ["rows", "stream"])
def test_images_that_are_not_kept_are_never_drawn(kind):
    spec = (tf.TensorSpec((BATCH,), tf.int64),)
    batches = TrainingBatches(order(kind), lambda draws: draws, spec)
    assert batches.steps == STEPS
    kept = batches.keep(np.array([1, 4, 5, 9]))
    assert kept.steps == 1
    assert {row for step in range(30) for row in kept.rows(step)} == {1, 4, 5, 9}


@pytest.mark.parametrize("storage", ["held", "unequal", "read", "streamed", "features"])
def test_batches_are_the_same_from_any_step_on(storage, tmp_path):
    batches = make_batches(storage, tmp_path)
    steps = batches.steps
    everything = list(batches.from_step(0).take(3 * steps).as_numpy_iterator())
    begun = batches.from_step(steps + 1).take(steps).as_numpy_iterator()
    for one, other in zip(everything[steps + 1 :], begun, strict=False):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    passes = [batch for _ in range(3) for batch in batches.as_numpy_iterator()]
    for one, other in zip(everything, passes, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.parametrize("augmentation", ["flip", "multi_scale_crop+cutmix"])
def test_parts_of_a_batch_are_cut_from_it(augmentation, tmp_path):
    batches = make_batches("held", tmp_path, augmentation=augmentation, batch_size=4)
    parts = [batches.from_step(1, part, 2).take(3) for part in (0, 1)]
    for whole, *own in tf.data.Dataset.zip(batches.from_step(1).take(3), *parts):
        for index in (0, 1):
            joined = tf.concat([part[index] for part in own], axis=0)
            np.testing.assert_array_equal(whole[index], joined)


def test_changed_batches_begin_at_any_step_too(tmp_path):
    batches = make_batches("held", tmp_path)
    less = batches.keep(np.arange(6)).map_batches(lambda x, y: (x, y[:, :2]))
    assert isinstance(less, TrainingBatches) and len(less) == 2
    assert less.element_spec[1].shape == (BATCH, 2)
    targets = [y.numpy() for _, y in less.from_step(1).take(8)]
    assert max(y[:, 1].sum() for y in targets) == 1
    rows = {row for step in range(8) for row in less.rows(step)}
    assert rows == set(range(6))


def test_the_rows_are_those_of_the_images(tmp_path):
    batches = make_batches("read", tmp_path, augmentation="none")
    for step, (_, targets) in enumerate(batches.from_step(0).take(5)):
        assert batches.rows(step).tolist() == targets.numpy().argmax(axis=1).tolist()


def make_batches(storage, folder, augmentation="multi_scale_crop", batch_size=BATCH):
    if storage == "features":
        features = CachedFeatures(make_extractor(), make_data(), folder)
        return features.load(batch_size=batch_size, seed=3).train
    table = tf.constant(IMAGES)

    def load(row):
        image = table[row]
        # Their height is known only once they are decoded.
        return (
            image[: 9 - tf.cast(row, tf.int32) % 3] if storage == "unequal" else image
        )

    return build_batches(
        tf.data.Dataset.from_tensor_slices((np.arange(COUNT), TARGETS)),
        load,
        image_size=8,
        batch_size=batch_size,
        training=True,
        seed=3,
        augmentation=augmentation,
        cache=storage in ("held", "unequal"),
        shuffle_buffer=6 if storage == "streamed" else None,
    )
