import pytest
import tensorflow as tf

from kmlic.training import make_strategy


def test_mirrored_uses_every_device_and_single_the_first():
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    assert make_strategy("mirrored").num_replicas_in_sync == len(devices)
    assert make_strategy("single").num_replicas_in_sync == 1


def test_says_which_strategies_there_are():
    with pytest.raises(ValueError, match="'multi_worker'; got name='tpu'"):
        make_strategy("tpu")
