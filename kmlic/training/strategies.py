"""Where a model is trained: one device, all of a machine, or several machines."""

import functools

import tensorflow as tf

from kmlic.training.multi_worker import start_workers


@functools.cache
def make_strategy(name: str = "mirrored") -> tf.distribute.Strategy:
    """Gives a copy of the model to every device of this machine, or of several.

    The same name gives the same strategy for the life of the process: two strategies
    over the same CPU devices number their reductions alike and disturb one another.

    Args:
        name: "mirrored" for all GPUs, or all logical CPU devices where there is no
            GPU; "single" for the first device alone; "multi_worker" for all of the
            machines that TF_CONFIG lists, see `start_workers`.

    Raises:
        ValueError: if there is no strategy of that name.

    Example:
        >>> make_strategy("single").num_replicas_in_sync
        1
    """
    if name == "multi_worker":
        return start_workers()
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    if name == "single":
        devices = devices[:1]
    elif name != "mirrored":
        raise ValueError(
            f'`name` must be "mirrored", "single" or "multi_worker"; got name={name!r}.'
        )
    return tf.distribute.MirroredStrategy([device.name for device in devices])
