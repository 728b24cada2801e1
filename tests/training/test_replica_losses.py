import keras
import tensorflow as tf

from kmlic.training import make_strategy
from kmlic.training.replica_losses import replica_losses


class Additional(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(keras.ops.sum(inputs))
        return inputs


def find_losses(context):
    """Returns each replica's losses where they wait for each other in between."""
    strategy = make_strategy("mirrored")
    with strategy.scope():
        inputs = keras.Input((2,))
        x = Additional()(inputs)
        x = keras.layers.BatchNormalization(synchronized=True)(x)
        model = keras.Model(inputs, x)
    batches = strategy.experimental_distribute_values_from_function(
        lambda own: tf.fill((1, 2), own.replica_id_in_sync_group + 1.0)
    )

    @tf.function
    def call(batch):
        model(batch, training=True)
        return tf.stack(model.losses)

    with context(model):
        found = strategy.experimental_local_results(strategy.run(call, (batches,)))
    assert model.losses == []
    return [losses.numpy().tolist() for losses in found]


def test_each_replica_finds_its_own():
    assert find_losses(replica_losses) == [[2.0], [4.0]]
