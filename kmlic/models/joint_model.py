"""A model trained on its own logits and on those of one of its parts."""

from typing import Any

import keras
from keras import ops

from kmlic.layers import JointLogits


@keras.saving.register_keras_serializable(package="kmlic")
class JointModel(keras.Model):
    """Applies its loss to two sets of logits in training.

    A functional model, constructed like `keras.Model(inputs, outputs)`, whose last
    layer is a `JointLogits`. The training loss is that of the first logits plus the
    layer's `weight` times that of the second; otherwise only the first are used.

    Raises:
        ValueError: when training starts, if the loss is not a `keras.Loss`.

    Example:
        >>> images = keras.Input((8,))
        >>> part = keras.layers.Dense(3)(images)
        >>> logits = keras.layers.Dense(3)(keras.layers.Activation("relu")(part))
        >>> model = JointModel(images, JointLogits(weight=0.5)(logits, part))
        >>> model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
        >>> history = model.fit(ops.ones((4, 8)), ops.ones((4, 3)), verbose=0)
        >>> model.output_shape, model.predict(ops.ones((4, 8)), verbose=0).shape
        ((None, 3), (4, 3))
    """

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Computes the loss of both logits in training, otherwise of the first."""
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        logits, auxiliary = ops.split(y_pred, 2, axis=-1)
        loss = super().compute_loss(x, y, logits, sample_weight, training)
        if not isinstance(self.loss, keras.Loss):
            raise ValueError(
                "`loss` must be a keras.Loss, such as PartialBinaryCrossentropy(); got "
                f"loss={self.loss!r}."
            )
        weight = self._joint_logits().weight
        return loss + weight * self.loss(y, auxiliary, sample_weight)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """Updates the metrics with the first logits."""
        logits = y_pred[..., : self.output_shape[-1]]
        return super().compute_metrics(x, y, logits, sample_weight)

    def _joint_logits(self) -> JointLogits:
        return next(each for each in self.layers if isinstance(each, JointLogits))
