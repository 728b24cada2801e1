"""Several machines, each running the same program, as one."""

import functools
import json
import os

import keras
import tensorflow as tf

_EXAMPLE = json.dumps(
    {
        "cluster": {"worker": ["host0:2222", "host1:2222"]},
        "task": {"type": "worker", "index": 0},
    }
)


@functools.cache
def start_workers() -> tf.distribute.MultiWorkerMirroredStrategy:
    """Joins the workers that the environment variable TF_CONFIG lists.

    To be called before TensorFlow does anything else, once a process: the first call
    waits for the other workers.

    TF_CONFIG is JSON, for worker 1 of 2::

        {"cluster": {"worker": ["host0:2222", "host1:2222"]},
         "task": {"type": "worker", "index": 1}}

    Raises:
        ValueError: if TF_CONFIG is missing or is no such text.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        addresses, index = config["cluster"]["worker"], config["task"]["index"]
        known = config["task"]["type"] == "worker" and 0 <= index < len(addresses)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            "`TF_CONFIG` must be JSON with the addresses of all workers and which one "
            f"this is; got TF_CONFIG={text!r} ({error!r}). For instance {_EXAMPLE}."
        ) from error
    if not known:
        raise ValueError(
            f"`TF_CONFIG` must name a worker; got index {index} of {len(addresses)}, "
            f"type {config['task']['type']!r}."
        )
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    _mend_keras()
    return strategy


def is_chief() -> bool:
    """Tells whether this process writes files: worker 0, or the only one."""
    strategy = _strategy()
    return strategy is None or strategy.cluster_resolver.task_id == 0


def largest(number: int) -> int:
    """Gives the largest of the numbers that all workers call this with.

    All of them have to call it, and wait there for one another. With one worker it is
    the number itself.
    """
    strategy = _strategy()
    if strategy is None:
        return number
    resolver = strategy.cluster_resolver
    workers = range(resolver.cluster_spec().num_tasks("worker"))
    own = [float(number) if each == resolver.task_id else 0.0 for each in workers]
    sums = _sums(strategy, len(workers))
    strategy.run(lambda: sums.assign(own))
    return int(sums.numpy().max()) // len(strategy.extended.worker_devices)


def distribute(
    strategy: tf.distribute.Strategy, train: tf.data.Dataset, step: int
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Gives this worker its part of the batches of kmlic.data from a step on."""
    replicas = strategy.num_replicas_in_sync
    size = train.element_spec[1].shape[0] // replicas

    def own_part(context: tf.distribute.InputContext) -> tf.data.Dataset:
        part, parts = context.input_pipeline_id, context.num_input_pipelines
        return train.from_step(step, part, parts).rebatch(size)

    return strategy.distribute_datasets_from_function(own_part)


def _strategy() -> tf.distribute.MultiWorkerMirroredStrategy | None:
    return start_workers() if start_workers.cache_info().currsize else None


@functools.cache
def _sums(strategy: tf.distribute.Strategy, workers: int) -> tf.Variable:
    """Makes a variable that adds up over all devices when it is read."""
    with strategy.scope():
        return tf.Variable(
            [0.0] * workers,
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )


def _mend_keras() -> None:
    """Lets `fit` and `predict` of Keras 3 give what this worker has computed.

    Keras reduces what a step returns over all workers along an axis that scalars do not
    have (keras #20585). That is not needed: metrics add up over the workers by
    themselves when they are read, and all workers score the same images.
    """
    from keras.src.backend.tensorflow import trainer

    def reduce_per_replica(values, strategy, reduction):
        def local(value):
            results = strategy.experimental_local_results(value)
            return trainer.concat(results) if reduction == "concat" else results[0]

        return keras.tree.map_structure(local, values)

    trainer.reduce_per_replica = reduce_per_replica
