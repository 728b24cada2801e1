"""Training on several machines that all run the same program."""

import functools
import json
import os

import tensorflow as tf

from kmlic.training.keras_internals import patch_reduce_per_replica

_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@functools.cache
def start_workers() -> tf.distribute.MultiWorkerMirroredStrategy:
    """Connects to the workers that the environment variable TF_CONFIG lists.

    Must be called before any other use of TensorFlow. The first call waits for the
    other workers; later calls return the same strategy.

    TF_CONFIG is JSON. For worker 0 of 2 it is ``{"cluster": {"worker":
    ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}``.

    Raises:
        ValueError: if TF_CONFIG is missing or has another content.
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
    patch_reduce_per_replica()
    return strategy


def is_chief() -> bool:
    """Returns whether this process writes files: worker 0, or the only process."""
    strategy = _strategy()
    return strategy is None or strategy.cluster_resolver.task_id == 0


def all_reduce_max(number: int) -> int:
    """Returns the largest of the numbers that all workers call it with.

    Every worker must call it, and waits for the others. With a single worker it returns
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
    """Returns this worker's part of the batches of kmlic.data from a step on."""
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
    """Creates a variable that is summed over all devices when it is read."""
    with strategy.scope():
        return tf.Variable(
            [0.0] * workers,
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )
