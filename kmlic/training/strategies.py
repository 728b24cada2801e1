"""Strategies for one device, all devices of a machine, or several machines."""

import functools

import tensorflow as tf

from kmlic.check_choice import check_choice
from kmlic.training.multi_worker import start_workers


@functools.cache
def make_strategy(name: str = "mirrored") -> tf.distribute.Strategy:
    """Returns the strategy that distributes training over the named devices.

    The same name returns the same strategy throughout the process: two strategies over
    the same CPU devices number their reductions alike and interfere with each other.

    Args:
        name: "mirrored" for all GPUs, or all logical CPU devices where there is no
            GPU; "single" for the first device only; "multi_worker" for all machines
            that TF_CONFIG lists, see `start_workers`.

    Raises:
        ValueError: if the name is unknown.

    Example:
        >>> make_strategy("single").num_replicas_in_sync
        1
    """
    check_choice("name", name, "mirrored", "single", "multi_worker")
    if name == "multi_worker":
        return start_workers()
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    if name == "single":
        devices = devices[:1]
    return tf.distribute.MirroredStrategy([device.name for device in devices])
