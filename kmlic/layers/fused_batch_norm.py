"""Batch normalization in one TensorFlow operator."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="kmlic")
class FusedBatchNorm(keras.layers.BatchNormalization):
    """Normalizes each channel over batch and positions, in one TensorFlow operator.

    Keras 3 composes batch normalization from a dozen operators that each pass over the
    feature maps, which about doubles the time of a ResNet's training step on a CPU. In
    low precision the statistics are computed in float32.

    Paper: Ioffe and Szegedy, "Batch Normalization", ICML 2015, algorithms 1 and 2,
    https://arxiv.org/abs/1502.03167. Differs from Keras as torch does: the moving
    variance follows the unbiased variance of the batches.

    Shapes: (B, H, W, C) to (B, H, W, C). H and W may be unknown or vary.

    Args:
        **kwargs: of `keras.layers.BatchNormalization`, except `axis`, `center`,
            `scale` and `renorm`, which must keep their defaults.

    Raises:
        ValueError: if one of those differs, or the input is not a feature map.

    Example:
        >>> layer = FusedBatchNorm(momentum=0.9, epsilon=1e-5)
        >>> images = keras.random.normal((8, 5, 5, 3), mean=7.0, seed=0)
        >>> bool(keras.ops.max(keras.ops.mean(layer(images, training=True))) < 1e-5)
        True
    """

    def build(self, input_shape):
        if len(input_shape) != 4:
            raise ValueError(
                "The input must be feature maps (B, H, W, C); got input shape "
                f"{tuple(input_shape)}."
            )
        fixed = {
            "axis": (self.axis, (-1, 3)),
            "center": (self.center, (True,)),
            "scale": (self.scale, (True,)),
            "renorm": (self.renorm, (False,)),
        }
        for name, (value, allowed) in fixed.items():
            if value not in allowed:
                raise ValueError(
                    f"`{name}` must be {allowed[0]}; got {name}={value}. Use "
                    "keras.layers.BatchNormalization."
                )
        super().build(input_shape)

    def call(self, inputs, training=None, mask=None):
        if mask is not None:
            raise ValueError("`mask` must be None for feature maps; got one.")
        learning = bool(training) and self.trainable
        if keras.backend.backend() != "tensorflow":
            return self._normalize_as_keras(inputs, learning)
        if learning and self.synchronized:
            return self._normalize_over_replicas(inputs)
        # Empty for the operator to compute them. The raw operator is called because
        # tf.nn raises epsilon to 1.001e-5.
        mean, variance = (
            ([], [])
            if learning
            else map(tf.convert_to_tensor, (self.moving_mean, self.moving_variance))
        )
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=learning,
        )
        if learning:
            self._update_moving(mean, variance)
        return outputs

    def _update_moving(self, mean, variance):
        share = 1 - self.momentum
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * share)
        self.moving_variance.assign(
            self.moving_variance * self.momentum + variance * share
        )

    def _normalize_as_keras(self, inputs, learning):
        kept = self.moving_variance * self.momentum
        outputs = super().call(inputs, training=learning)
        if learning:
            count = (
                keras.ops.cast(keras.ops.size(inputs), kept.dtype) / self.gamma.shape[0]
            )
            added = self.moving_variance - kept  # of the biased variance
            self.moving_variance.assign(kept + added * _unbiased(count))
        return outputs

    def _normalize_over_replicas(self, inputs):
        """Normalizes with the statistics of all replicas' batches together."""
        values = tf.cast(inputs, "float32")
        mean, variance = keras.ops.moments(values, (0, 1, 2), synchronized=True)
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync if context else 1
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]) * replicas, "float32")
        self._update_moving(mean, variance * _unbiased(count))
        outputs = tf.nn.batch_normalization(
            values, mean, variance, self.beta, self.gamma, self.epsilon
        )
        return tf.cast(outputs, inputs.dtype)


def _unbiased(count):
    """Returns the factor from biased to unbiased variances; 1 for one value."""
    return count / keras.ops.maximum(count - 1.0, 1.0)
