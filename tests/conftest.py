"""Two logical CPU devices, so that every test may use two replicas."""

import tensorflow as tf

# Only possible before TensorFlow starts, hence here and for all tests.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
