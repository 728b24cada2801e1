"""Optimizer, schedule and loss that settings name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from kmlic.data import MultiLabelData
from kmlic.experiments.training_settings import TrainingSettings
from kmlic.losses import make_loss
from kmlic.training import (
    CoupledSGD,
    LayerwiseAdamW,
    OneCycle,
    initialise_bias,
    part_multipliers,
)


def compile_model(
    model: keras.Model,
    settings: TrainingSettings,
    data: MultiLabelData,
    loss: keras.Loss | None = None,
    *,
    multipliers: Mapping[str, float] | None = None,
    bias_layer: str | None = None,
    warm_up: int | None = None,
    metrics: Sequence[keras.Metric] = (),
) -> None:
    """Compiles a model with the optimizer and schedule that settings name.

    Args:
        model: the model to train.
        settings: of the training.
        data: its training images give the steps per epoch and the label frequencies.
        loss: None for the one that settings name, of logits.
        multipliers: weight to factor of its learning rate, see `LayerwiseAdamW`; None
            for `backbone_multipliers`.
        bias_layer: name of the layer whose bias is initialised as `first_bias` of the
            settings says; None initialises no bias.
        warm_up: steps until a cosine schedule reaches its highest rate; None for one
            epoch.
        metrics: computed on the training batches.
    """
    if bias_layer is not None and settings.first_bias == "frequency":
        initialise_bias(model, data.train_targets, layer=bias_layer)
    steps = max(1, data.sizes["train"] // settings.batch_size)
    if multipliers is None:
        multipliers = backbone_multipliers(model, settings.backbone_multiplier)
    options: dict[str, Any] = {
        "multipliers": multipliers,
        "global_clipnorm": settings.clip_norm,
    }
    head_steps = steps * settings.num_head_epochs
    if head_steps:
        frozen = backbone_multipliers(model, 0.0)
        options["first_steps"] = dict.fromkeys(frozen, head_steps)
    rate = _make_schedule(settings, steps, steps if warm_up is None else warm_up)
    if settings.optimizer == "sgd":
        optimizer = CoupledSGD(rate, 0.9, l2=settings.weight_decay, **options)
    else:
        optimizer = LayerwiseAdamW(rate, settings.weight_decay, **options)
    if loss is None:
        loss = make_loss(
            settings.loss,
            data.train_targets,
            positive_weights=settings.positive_weights,
            iterations=optimizer.iterations,
            steps_per_epoch=steps,
            epochs=settings.epochs,
        )
    model.compile(optimizer, loss, metrics=list(metrics) or None)


def backbone_multipliers(model: keras.Model, factor: float) -> dict[str, float]:
    """Returns a factor of the learning rate for each weight of a model's backbones.

    The backbones are the innermost models inside the model.

    Args:
        model: may have any number of backbones.
        factor: of their learning rates.

    Example:
        >>> from kmlic.models import build_classifier
        >>> model = build_classifier(2, backbone="small_resnet", image_size=64)
        >>> multipliers = backbone_multipliers(model, 0.1)
        >>> multipliers["conv1/kernel"], "logits/kernel" in multipliers
        (0.1, False)
    """
    multipliers: dict[str, float] = {}
    for backbone in _innermost_models(model):
        multipliers |= part_multipliers(backbone, factor)
    return multipliers


def _innermost_models(model: keras.Model) -> Iterator[keras.Model]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            inside = list(_innermost_models(layer))
            yield from inside or [layer]


def _make_schedule(settings: TrainingSettings, steps: int, warm_up: int) -> Any:
    epochs = settings.num_head_epochs + settings.epochs
    highest, last = settings.learning_rate, steps * epochs
    schedules = keras.optimizers.schedules
    if settings.schedule == "cosine":
        return schedules.CosineDecay(
            0.0 if warm_up else highest,
            max(last - warm_up, 1),
            warmup_target=highest if warm_up else None,
            warmup_steps=warm_up,
        )
    if settings.schedule == "one_cycle":
        return OneCycle(highest, last)
    if settings.schedule == "step":
        third = last // 3
        return schedules.PiecewiseConstantDecay(
            [third, 2 * third], [highest * factor for factor in (1, 0.1, 0.01)]
        )
    if settings.schedule == "exponential":
        return schedules.ExponentialDecay(highest, steps, 0.9)
    return highest  # constant, or lowered by PlateauDecay
