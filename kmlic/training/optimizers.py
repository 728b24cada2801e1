"""Optimizers as the papers' code means them, with a learning rate for each part."""

from collections.abc import Mapping

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="kmlic")
class CoupledSGD(keras.optimizers.SGD):
    """Moves weights against their gradients plus a share of themselves.

    Paper: none; this is `torch.optim.SGD`, which the papers' code was run with. The
    clipped gradient g of a weight w becomes g + l2 * w before it enters the momentum.
    Differs from `keras.optimizers.SGD`: its `weight_decay` is decoupled, does not enter
    the momentum and is about ten times weaker at momentum 0.9; and it clips the
    gradients of each replica, where this one clips their sum.

    Args:
        learning_rate: step size, a number or a schedule.
        momentum: share of the last step that is kept, 0-1.
        l2: weight decay per step, coupled with the gradient, on every trainable weight.
        multipliers: path prefix of weights (`"logits"`) to the factor of their learning
            rate; the longest matching prefix counts. `part_multipliers` gives those of
            a backbone, whose name is no part of its weights' paths.
        name: name of the optimizer.
        **kwargs: of `keras.optimizers.SGD`; `global_clipnorm` clips before the decay.

    Raises:
        ValueError: if `l2` or a multiplier is negative; when the optimizer meets its
            weights, if a prefix fits none of them.

    Example:
        >>> weight = keras.Variable([2.0])
        >>> optimizer = CoupledSGD(0.1, l2=0.5)
        >>> optimizer.apply([keras.ops.ones(1)], [weight])
        >>> round(float(weight.numpy()[0]), 3)
        1.8
    """

    def __init__(
        self,
        learning_rate=0.01,
        momentum: float = 0.9,
        *,
        l2: float = 0.0,
        multipliers: Mapping[str, float] | None = None,
        name: str = "coupled_sgd",
        **kwargs,
    ):
        super().__init__(learning_rate, momentum, name=name, **kwargs)
        if l2 < 0:
            raise ValueError(f"`l2` must be at least 0; got l2={l2}.")
        self.l2 = l2
        self.multipliers = _check(multipliers)

    def update_step(self, gradient, variable, learning_rate):
        if self.l2:
            gradient = gradient + self.l2 * tf.cast(variable, gradient.dtype)
        rate = learning_rate * _multiplier(self, variable)
        if self.nesterov or not self.momentum:
            super().update_step(gradient, variable, rate)
            return
        # Fused: temporaries as large as MSRN's hidden layer would cost a gigabyte each.
        momentum = self.momentums[self._get_variable_index(variable)]
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=momentum.value.handle,
            lr=tf.cast(rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
            momentum=tf.cast(self.momentum, variable.dtype),
        )

    def build(self, variables):
        _require_matches(variables, self.multipliers)
        super().build(variables)

    def get_config(self):
        return {
            **super().get_config(),
            "l2": self.l2,
            "multipliers": self.multipliers,
        }

    def _clip_gradients(self, grads):
        return grads

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return _clip(self, super()._all_reduce_sum_gradients(grads_and_vars))


@keras.saving.register_keras_serializable(package="kmlic")
class LayerwiseAdamW(keras.optimizers.AdamW):
    """Adapts each weight's step to its gradients, at a learning rate for each part.

    Paper: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019,
    https://arxiv.org/abs/1711.05101. A part's factor scales its step, where scaling its
    gradients would change nothing (Adam divides it away).
    Differs from `keras.optimizers.AdamW`: biases and the scales of normalisation are
    not decayed; gradients are clipped after they were summed over replicas.

    Args:
        learning_rate: step size, a number or a schedule.
        weight_decay: decoupled decay per unit of learning rate, of kernels only.
        multipliers: path prefix of weights to the factor of their learning rate; the
            longest matching prefix counts.
        name: name of the optimizer.
        **kwargs: of `keras.optimizers.AdamW`.

    Raises:
        ValueError: if a multiplier is negative; when the optimizer meets its weights,
            if a prefix fits none of them.

    Example:
        >>> LayerwiseAdamW(1e-3, multipliers={"backbone": 0.1}).multipliers
        {'backbone': 0.1}
    """

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay: float = 0.004,
        *,
        multipliers: Mapping[str, float] | None = None,
        name: str = "layerwise_adamw",
        **kwargs,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        self.multipliers = _check(multipliers)

    def update_step(self, gradient, variable, learning_rate):
        rate = learning_rate * _multiplier(self, variable)
        if self._use_weight_decay(variable):
            decay = tf.cast(self.weight_decay * rate, variable.dtype)
            variable.assign_sub(variable * decay)
        super().update_step(gradient, variable, rate)

    def build(self, variables):
        _require_matches(variables, self.multipliers)
        super().build(variables)

    def get_config(self):
        return {**super().get_config(), "multipliers": self.multipliers}

    def _apply_weight_decay(self, variables):
        """Leaves the decay to `update_step`, which knows each weight's factor."""

    def _use_weight_decay(self, variable):
        return len(variable.shape) > 1 and super()._use_weight_decay(variable)

    def _clip_gradients(self, grads):
        return grads

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return _clip(self, super()._all_reduce_sum_gradients(grads_and_vars))


def learning_rate_multiplier(path: str, multipliers: Mapping[str, float]) -> float:
    """Gives the factor of the longest prefix of a weight's path, 1 without one.

    Example:
        >>> learning_rate_multiplier("resnet50/stem/kernel", {"resnet50": 0.1})
        0.1
        >>> learning_rate_multiplier("resnet501/stem/kernel", {"resnet50": 0.1})
        1.0
    """
    matching = [p for p in multipliers if path == p or path.startswith(f"{p}/")]
    return float(multipliers[max(matching, key=len)]) if matching else 1.0


def part_multipliers(part: keras.Layer, factor: float) -> dict[str, float]:
    """Gives the same factor to every weight of a layer or of a model inside a model.

    Args:
        part: a layer, or a backbone that other models are built on.
        factor: of the learning rate.

    Example:
        >>> from kmlic.backbones import build_backbone
        >>> multipliers = part_multipliers(build_backbone("small_resnet"), 0.1)
        >>> multipliers["conv1/kernel"]
        0.1
    """
    return {weight.path: factor for weight in part.trainable_variables}


def _require_matches(
    variables: list[keras.Variable], multipliers: Mapping[str, float]
) -> None:
    paths = [variable.path for variable in variables]
    for prefix in multipliers:
        if not any(path == prefix or path.startswith(f"{prefix}/") for path in paths):
            raise ValueError(
                f"`multipliers` must begin the paths of weights; got {prefix!r}, which "
                f"begins none of {paths[:2] + paths[-2:]} and the others. Use "
                "`part_multipliers` for a model inside the model."
            )


def _check(multipliers: Mapping[str, float] | None) -> dict[str, float]:
    for prefix, factor in (multipliers or {}).items():
        if factor < 0:
            raise ValueError(
                f"`multipliers` must be at least 0; got {factor} for {prefix!r}."
            )
    return dict(multipliers or {})


def _multiplier(optimizer: keras.Optimizer, variable: tf.Variable) -> float:
    index = optimizer._get_variable_index(variable)
    path = optimizer._trainable_variables[index].path
    return learning_rate_multiplier(path, optimizer.multipliers)


def _clip(optimizer: keras.Optimizer, grads_and_vars):
    grads_and_vars = list(grads_and_vars)
    if not optimizer.global_clipnorm:
        grads, variables = zip(*grads_and_vars, strict=True)
        clipped = keras.Optimizer._clip_gradients(optimizer, list(grads))
        return list(zip(clipped, variables, strict=True))
    # l2_loss is half the sum of squares, without a copy of the gradient.
    squares = [tf.nn.l2_loss(grad) for grad, _ in grads_and_vars if grad is not None]
    norm = tf.sqrt(2.0 * tf.add_n([tf.cast(s, "float32") for s in squares]))
    scale = optimizer.global_clipnorm / tf.maximum(norm, optimizer.global_clipnorm)
    return [
        (grad if grad is None else grad * tf.cast(scale, grad.dtype), variable)
        for grad, variable in grads_and_vars
    ]
