"""The threads of a pipeline: how many is fixed, so that iterators end at once."""

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data.build_batches import build_batches
from kmlic.data.in_order import in_order


def test_no_thread_tunes_the_number_of_threads():
    options = in_order(tf.data.Dataset.range(3)).options()
    assert options.autotune.enabled is False
    assert options.deterministic is True


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_batches_have_a_fixed_number_of_threads(cache, training):
    targets = np.zeros((4, 1), "float32")
    batches = build_batches(
        tf.data.Dataset.from_tensor_slices((np.arange(4), targets)),
        lambda _: tf.zeros((8, 8, 3), tf.uint8),
        image_size=8,
        batch_size=2,
        training=training,
        cache=cache,
    )
    assert batches.options().autotune.enabled is False
    # What follows, such as the steps of a training, inherits it.
    steps = batches.from_step(1) if training else batches.take(1)
    assert steps.options().autotune.enabled is False
