"""Optimizers of the papers' code, with a learning rate for each part of a model."""

from collections.abc import Mapping

import keras
import tensorflow as tf

from kmlic.training.keras_internals import (
    KernelDecay,
    SummedClipping,
    variable_index,
    variable_path,
)


class _PartRates(SummedClipping):
    """Multiplies the learning rate of each weight by the factor of its part."""

    multipliers: dict[str, float]
    first_steps: dict[str, int]

    def rate(self, learning_rate, variable):
        path = variable_path(self, variable)
        rate = learning_rate * learning_rate_multiplier(path, self.multipliers)
        first = _longest_match(path, self.first_steps, 0)
        return tf.where(self.iterations < first, 0.0, rate) if first else rate

    def build(self, variables):
        paths = [variable.path for variable in variables]
        for prefix in (*self.multipliers, *self.first_steps):
            if not any(
                path == prefix or path.startswith(f"{prefix}/") for path in paths
            ):
                raise ValueError(
                    "`multipliers` and `first_steps` must have prefixes of weight "
                    f"paths; got {prefix!r}, which matches none of "
                    f"{paths[:2] + paths[-2:]} and the others. Use `part_multipliers` "
                    "for a model inside the model."
                )
        super().build(variables)

    def get_config(self):
        return {
            **super().get_config(),
            "multipliers": self.multipliers,
            "first_steps": self.first_steps,
        }


@keras.saving.register_keras_serializable(package="kmlic")
class CoupledSGD(_PartRates, keras.optimizers.SGD):
    """Updates weights by SGD with an L2 penalty that is added to the gradients.

    Paper: none; this is `torch.optim.SGD`, which the papers' code uses. The clipped
    gradient g of a weight w becomes g + l2 * w before it enters the momentum. Differs
    from `keras.optimizers.SGD`, whose `weight_decay` does not enter the momentum and is
    about ten times weaker at momentum 0.9, and which clips the gradients of each
    replica instead of their sum.

    Args:
        learning_rate: step size, a number or a schedule.
        momentum: share of the last step that is kept, 0-1.
        l2: factor of the L2 penalty, on every trainable weight.
        multipliers: prefix of weight paths (`"logits"`) to the factor of their learning
            rate; the longest matching prefix counts. For a backbone, whose name is not
            part of the paths of its weights, use `part_multipliers`.
        first_steps: prefix of weight paths to the first step that changes them, 0 for
            all others.
        name: name of the optimizer.
        **kwargs: of `keras.optimizers.SGD`; `global_clipnorm` clips before the penalty
            is added.

    Raises:
        ValueError: if `l2` or a multiplier is negative; when the optimizer is built, if
            a prefix matches no weight.

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
        first_steps: Mapping[str, int] | None = None,
        name: str = "coupled_sgd",
        **kwargs,
    ):
        super().__init__(learning_rate, momentum, name=name, **kwargs)
        if l2 < 0:
            raise ValueError(f"`l2` must be at least 0; got l2={l2}.")
        self.l2 = l2
        self.multipliers = _check(multipliers)
        self.first_steps = dict(first_steps or {})

    def update_step(self, gradient, variable, learning_rate):
        rate = self.rate(learning_rate, variable)
        if self.nesterov or not self.momentum:
            if self.l2:
                gradient = gradient + self.l2 * tf.cast(variable, gradient.dtype)
            super().update_step(gradient, variable, rate)
            return
        # Fused: temporaries of the size of MSRN's hidden layer take a gigabyte each.
        momentum = self.momentums[variable_index(self, variable)]
        if self.l2:  # enters the momentum before that is multiplied
            tf.raw_ops.ResourceApplyGradientDescent(
                var=momentum.value.handle,
                alpha=tf.cast(rate * self.l2 / self.momentum, variable.dtype),
                delta=variable,
            )
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=momentum.value.handle,
            lr=tf.cast(rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
            momentum=tf.cast(self.momentum, variable.dtype),
        )

    def get_config(self):
        return {**super().get_config(), "l2": self.l2}


@keras.saving.register_keras_serializable(package="kmlic")
class LayerwiseAdamW(_PartRates, KernelDecay, keras.optimizers.AdamW):
    """Updates weights by AdamW with a learning rate for each part of a model.

    Paper: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019,
    https://arxiv.org/abs/1711.05101. The factor of a part scales its step; scaling its
    gradients would have no effect, since Adam normalises them.
    Differs from `keras.optimizers.AdamW`: biases and the scales of normalization are
    not decayed; gradients are clipped after they are summed over the replicas.

    Args:
        learning_rate: step size, a number or a schedule.
        weight_decay: decay per unit of learning rate, of kernels only.
        multipliers: as in `CoupledSGD`.
        first_steps: as in `CoupledSGD`.
        name: name of the optimizer.
        **kwargs: of `keras.optimizers.AdamW`.

    Raises:
        ValueError: if a multiplier is negative; when the optimizer is built, if a
            prefix matches no weight.

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
        first_steps: Mapping[str, int] | None = None,
        name: str = "layerwise_adamw",
        **kwargs,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        self.multipliers = _check(multipliers)
        self.first_steps = dict(first_steps or {})

    def update_step(self, gradient, variable, learning_rate):
        rate = self.rate(learning_rate, variable)
        if self.decays(variable):
            decay = tf.cast(self.weight_decay * rate, variable.dtype)
            variable.assign_sub(variable * decay)
        super().update_step(gradient, variable, rate)


def learning_rate_multiplier(path: str, multipliers: Mapping[str, float]) -> float:
    """Returns the factor of the longest prefix of a weight's path, 1 without one.

    Example:
        >>> learning_rate_multiplier("resnet50/stem/kernel", {"resnet50": 0.1})
        0.1
        >>> learning_rate_multiplier("resnet501/stem/kernel", {"resnet50": 0.1})
        1.0
    """
    return float(_longest_match(path, multipliers, 1.0))


def part_multipliers(part: keras.Layer, factor: float) -> dict[str, float]:
    """Returns multipliers with the same factor for every weight of a layer or model.

    Args:
        part: a layer, or a backbone inside a model.
        factor: factor of the learning rate.

    Example:
        >>> from kmlic.backbones import build_backbone
        >>> multipliers = part_multipliers(build_backbone("small_resnet"), 0.1)
        >>> multipliers["conv1/kernel"]
        0.1
    """
    return {weight.path: factor for weight in part.trainable_variables}


def _longest_match(path, values, default):
    matching = [p for p in values if path == p or path.startswith(f"{p}/")]
    return values[max(matching, key=len)] if matching else default


def _check(multipliers: Mapping[str, float] | None) -> dict[str, float]:
    for prefix, factor in (multipliers or {}).items():
        if factor < 0:
            raise ValueError(
                f"`multipliers` must be at least 0; got {factor} for {prefix!r}."
            )
    return dict(multipliers or {})
