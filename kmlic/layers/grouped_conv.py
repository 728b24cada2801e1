"""Grouped convolution that is fast on CPUs and GPUs."""

import functools

import keras
import tensorflow as tf

from kmlic.check_choice import check_choice
from kmlic.layers.keras_internals import is_traced_for_xla


@keras.saving.register_keras_serializable(package="kmlic")
class GroupedConv2D(keras.layers.Layer):
    """Convolves each group of input channels with its own filters.

    Computes the same as `keras.layers.Conv2D(groups=...)`, which on TensorFlow runs
    inside XLA: on a CPU its gradient took 17 (2 groups) to 340 times (32 groups) as
    long as TensorFlow's own grouped convolution, which this layer calls. Where XLA
    compiles the complete step for a CPU, or TensorFlow lacks that gradient (without
    oneDNN), it convolves a few blocks of groups instead; where only the gradient in low
    precision is missing (float16 on most CPUs), it convolves in float32.

    Paper: Xie et al., "Aggregated Residual Transformations for Deep Neural Networks",
    CVPR 2017, figure 3c, https://arxiv.org/abs/1611.05431.

    Shapes: (B, H, W, C) to (B, H', W', `filters`). H and W may be unknown or vary.

    Args:
        filters: channels of the output. A multiple of `groups`.
        kernel_size: side of the kernel in positions.
        groups: number of groups; must divide C.
        strides: step of the kernel in positions.
        padding: "valid" or "same" (as Keras pads).
        use_bias: whether to add one number per filter.
        kernel_initializer: of the kernel.

    Raises:
        ValueError: if `groups` does not divide `filters` and C; on unknown `padding`.

    Example:
        >>> images = keras.ops.ones((1, 8, 8, 4))
        >>> layer = GroupedConv2D(6, 3, groups=2, padding="same")
        >>> tuple(layer(images).shape), tuple(layer.kernel.shape)
        ((1, 8, 8, 6), (3, 3, 2, 6))
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        groups: int,
        strides: int = 1,
        padding: str = "valid",
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if groups < 1 or filters % groups:
            raise ValueError(
                f"`groups` must divide the number of filters; got groups={groups} and "
                f"filters={filters}."
            )
        check_choice("padding", padding, "valid", "same")
        self.filters = filters
        self.kernel_size = kernel_size
        self.groups = groups
        self.strides = strides
        self.padding = padding
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(
                f"`groups` must divide the number of channels; got groups={self.groups}"
                f" and {channels} channels (input shape {tuple(input_shape)})."
            )
        size = self.kernel_size
        self.kernel = self.add_weight(
            shape=(size, size, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.bias = (
            self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
            if self.use_bias
            else None
        )

    def call(self, inputs):
        if keras.backend.backend() != "tensorflow":
            outputs = keras.ops.conv(inputs, self.kernel, self.strides, self.padding)
            return outputs if self.bias is None else outputs + self.bias
        kernel = tf.convert_to_tensor(self.kernel)
        dtype = inputs.dtype
        if dtype.size < 4 and not _has_gradient(dtype):
            dtype = tf.float32
        at_once = self.groups == 1 or (
            _has_gradient(dtype) and not _is_compiled_for_cpu()
        )
        convolve = self._convolve if at_once else self._convolve_blocks
        outputs = convolve(tf.cast(inputs, dtype), tf.cast(kernel, dtype))
        outputs = tf.cast(outputs, inputs.dtype)
        if self.bias is None:
            return outputs
        return tf.nn.bias_add(outputs, tf.convert_to_tensor(self.bias))

    def _convolve(self, inputs, kernel):
        return tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper())

    def _convolve_blocks(self, inputs, kernel):
        # XLA's gradient of a grouped convolution is slow on a CPU, that of a plain one
        # is not, and every TensorFlow has it. Four blocks, whose kernels are zero
        # between groups, were fastest.
        blocks = max(n for n in (1, 2, 3, 4) if self.groups % n == 0)
        inside = self.groups // blocks
        outputs = [
            self._convolve(part, _expand(part_kernel, inside))
            for part, part_kernel in zip(
                tf.split(inputs, blocks, axis=-1),
                tf.split(kernel, blocks, axis=-1),
                strict=True,
            )
        ]
        return tf.concat(outputs, axis=-1)

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        lost = self.kernel_size - 1 if self.padding == "valid" else 0
        sides = [side and -(-(side - lost) // self.strides) for side in sides]
        return (batch, *sides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "groups": self.groups,
            "strides": self.strides,
            "padding": self.padding,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _is_compiled_for_cpu():
    return is_traced_for_xla() and not tf.config.list_logical_devices("GPU")


@functools.cache
def _has_gradient(dtype):
    # On a CPU, TensorFlow leaves this gradient to oneDNN, which has it only in the
    # types that the processor supports. Only trying it shows.
    with tf.init_scope():
        images, kernel = tf.zeros((1, 3, 3, 2), dtype), tf.zeros((3, 3, 1, 2), dtype)
        try:
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=images.shape,
                filter=kernel,
                out_backprop=images,
                strides=[1, 1, 1, 1],
                padding="SAME",
            )
        except tf.errors.InvalidArgumentError:
            return False
    return True


def _expand(kernel, groups):
    """Expands a grouped kernel (k, k, I, G * O) to a plain one (k, k, G * I, G * O)."""
    height, width, channels, filters = kernel.shape
    kernel = tf.reshape(kernel, (height, width, 1, channels, groups, -1))
    diagonal = tf.reshape(tf.eye(groups, dtype=kernel.dtype), (groups, 1, groups, 1))
    return tf.reshape(kernel * diagonal, (height, width, groups * channels, filters))
