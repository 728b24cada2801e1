"""A training step in parts, for batches that do not fit into memory."""

import keras
import tensorflow as tf

from kmlic.training.keras_internals import update_loss


def accumulate_gradients(model: keras.Model, parts: int) -> None:
    """Replaces a model's training step by one that sums gradients over parts.

    The optimizer sees the mean over the parts once per batch, so clipping, schedule,
    decay and averaged weights are those of the complete batch; batch normalization sees
    one part at a time. Differs from `gradient_accumulation_steps` of Keras' optimizers,
    which fails under a `MirroredStrategy` and counts each part as a step.

    Args:
        model: compiled.
        parts: number of parts, at least 1; must divide the batch of each replica.

    Raises:
        ValueError: if `parts` is below 1 or the model has its own training step; in
            training, if `parts` does not divide the batch of a replica.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> accumulate_gradients(model, parts=2)
        >>> history = model.fit(tf.ones((4, 2)), tf.ones((4, 1)), verbose=0)
        >>> int(model.optimizer.iterations)
        1
    """
    if parts < 1:
        raise ValueError(f"`parts` must be at least 1; got parts={parts}.")
    if parts == 1:
        return
    if type(model).train_step is not keras.Model.train_step:
        raise ValueError(
            f"`parts` must be 1 for a {type(model).__name__}, which has its own "
            f"training step; got parts={parts}."
        )

    def train_step(data):
        rows = tf.nest.flatten(data)[0].shape[0]
        if rows is not None and rows % parts:
            raise ValueError(
                f"`parts` must divide the {rows} images of a replica's batch; got "
                f"parts={parts}."
            )
        sums: list | None = None
        results = {}
        for index in range(parts):
            own = tf.nest.map_structure(
                lambda x, index=index: tf.split(x, parts)[index], data
            )
            # One after the other: in parallel they would need the memory of all parts.
            with tf.control_dependencies(sums or []):
                gradients, results = _gradients(model, own, parts)
            sums = gradients if sums is None else _add(sums, gradients)
        pairs = zip(sums or [], model.trainable_weights, strict=True)
        model.optimizer.apply_gradients(pairs)
        return results

    model.train_step = train_step
    model.make_train_function(force=True)


def _gradients(model, data, parts):
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        loss = model.compute_loss(x, y, logits, sample_weight, training=True)
        # Keras divides a replica's loss by the number of replicas.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        rows = tf.shape(tf.nest.flatten(x)[0])[0]
        update_loss(model, loss * replicas, rows)
        scaled = model.optimizer.scale_loss(loss) / parts
    gradients = tape.gradient(scaled, model.trainable_weights)
    return gradients, model.compute_metrics(x, y, logits, sample_weight)


def _add(sums, gradients):
    return [
        one if other is None else other if one is None else one + other
        for one, other in zip(sums, gradients, strict=True)
    ]
