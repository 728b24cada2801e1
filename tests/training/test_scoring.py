import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.labels import Labels
from kmlic.training import make_strategy, predict_scores

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (9, 4, 4, 3)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, (9, 2))


def _model(strategy):
    keras.utils.set_random_seed(0)
    with make_strategy(strategy).scope():
        images = keras.Input((4, 4, 3))
        x = keras.layers.GlobalAveragePooling2D()(images)
        return keras.Model(images, keras.layers.Dense(2)(x * 0.01))


@pytest.mark.parametrize("strategy", ["single", "mirrored"])
@pytest.mark.parametrize("batch_size", [1, 2, 4, 16])
def test_every_row_comes_back_in_order_whatever_the_replicas(strategy, batch_size):
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, TARGETS)).batch(batch_size)
    targets, probabilities = predict_scores(_model(strategy), dataset)
    np.testing.assert_array_equal(targets, TARGETS)
    logits = np.asarray(_model("single")(IMAGES))
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_an_empty_dataset_is_an_error():
    with pytest.raises(ValueError, match="at least one batch; got none"):
        predict_scores(_model("single"), [])


def test_exclusive_groups_have_probabilities_that_sum_to_one():
    labels = Labels(("long", "short"), {"sleeve": ("long", "short")}, exclusive=True)
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, TARGETS)).batch(4)
    _, probabilities = predict_scores(_model("single"), dataset, labels)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
