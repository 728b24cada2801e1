"""What tests/test_backends.py computes with each backend of Keras, and how.

`python -m tests.backend_cases WEIGHTS.npz VALUES.npz` computes all cases with the
backend of that process. TensorFlow's has written the weights.
"""

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import keras
import numpy as np
from keras import ops
from keras.src.initializers import random_initializers

from kmlic import layers, losses, metrics
from kmlic.backbones import build_backbone, build_keras_hub
from tests.backbones.keras_hub_models import build_hub_backbone
from tests.models.papers import LABELS, MODELS, PAPERS, SIZE

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (2, SIZE, SIZE, 3)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, (6, len(LABELS))).astype("float32")
LOGITS = RANDOM.normal(scale=3, size=TARGETS.shape).astype("float32")
MAPS = RANDOM.normal(size=(2, 5, 4, 12)).astype("float32")
NODES = RANDOM.normal(size=(6, 8)).astype("float32")
ROWS = RANDOM.normal(size=(2, 6, 8)).astype("float32")
GRAPH = np.maximum(RANDOM.random((6, 6)) < 0.4, np.eye(6)).astype("float32")
COUNTS = ([9, 1, 3, 4, 2], [1, 9, 7, 6, 8])
GROUPS = LABELS.names[:3], LABELS.names[3:]
SMALL = {"embedding_size": 8, "num_heads": 2, "hidden_units": 6}


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer or model, what it is called on and whether it is in training."""

    build: Callable[[], Any]
    inputs: Sequence[np.ndarray]
    training: bool = False


def layer(layer_class, *inputs, training=False, **arguments):
    """A case of a layer."""
    return Case(functools.partial(layer_class, **arguments), inputs, training)


LAYERS = {
    "CategoryAttention": layer(layers.CategoryAttention, MAPS, num_labels=3),
    "CategorySpaceToDepth": layer(
        layers.CategorySpaceToDepth, MAPS, num_labels=3, upsampling="bilinear"
    ),
    "CategorySpaceToDepth, transposed": layer(
        layers.CategorySpaceToDepth, MAPS, num_labels=3, upsampling="transposed"
    ),
    "CenterZoom": layer(layers.CenterZoom, MAPS, share=0.6),
    "ClassSpecificResidualAttention": layer(
        layers.ClassSpecificResidualAttention,
        MAPS,
        num_labels=3,
        temperatures=(1, 2, float("inf")),
    ),
    "Constant": layer(layers.Constant, NODES, shape=(4, 3), learned=True),
    "DiffPool": layer(layers.DiffPool, NODES, GRAPH, num_groups=2, units=5),
    "FusedBatchNorm": layer(layers.FusedBatchNorm, MAPS, epsilon=1e-5),
    "FusedBatchNorm, training": layer(layers.FusedBatchNorm, MAPS, training=True),
    "GraphAttention": layer(
        layers.GraphAttention, NODES, GRAPH, units=5, num_heads=2, activation="elu"
    ),
    "GraphAttention, MSRN": layer(
        layers.GraphAttention,
        NODES,
        GRAPH - np.eye(6, dtype="float32"),
        units=5,
        residual=True,
        use_bias=False,
        add_self_loops=False,
    ),
    "GroupAttentionPooling": layer(layers.GroupAttentionPooling, MAPS, num_groups=3),
    "GroupSoftmax": layer(layers.GroupSoftmax, LOGITS, group_sizes=(2, 3)),
    "GroupUncertainty": layer(layers.GroupUncertainty, LOGITS, num_groups=2),
    "GroupedConv2D": layer(
        layers.GroupedConv2D, MAPS, filters=8, kernel_size=3, groups=4, strides=2
    ),
    "JointLogits": layer(layers.JointLogits, LOGITS, TARGETS, weight=0.3),
    "LabelGroupEmbedding": layer(
        layers.LabelGroupEmbedding,
        NODES,
        GRAPH,
        embedding_size=8,
        num_groups=2,
        label_units=10,
        graph_units=12,
    ),
    "LabelSimilarity": layer(layers.LabelSimilarity, NODES, NODES[::-1]),
    "MLDecoder": layer(layers.MLDecoder, MAPS, num_labels=7, num_groups=3, **SMALL),
    "Query2Label": layer(layers.Query2Label, MAPS, num_labels=3, **SMALL),
    "SemanticDeconvEmbedder": layer(
        layers.SemanticDeconvEmbedder, MAPS, channels=3, steps=2
    ),
    "SemanticGuidedAttention": layer(
        layers.SemanticGuidedAttention, MAPS, RANDOM.normal(size=(7, 12))
    ),
    "SemanticResizeEmbedder": layer(layers.SemanticResizeEmbedder, MAPS, size=8),
    "SpatialGroupEnhance": layer(layers.SpatialGroupEnhance, MAPS, groups=4),
    "SplitAttention": layer(
        layers.SplitAttention, MAPS, filters=6, radix=2, cardinality=2
    ),
    "SqueezeExcite": layer(layers.SqueezeExcite, MAPS, ratio=4),
    "TransformerBlock": layer(
        layers.TransformerBlock, ROWS, ROWS, ROWS, ROWS, num_heads=4, hidden_units=6
    ),
    "WildcatPooling": layer(layers.WildcatPooling, MAPS, kmax=0.3, kmin=2),
}
BACKBONES = {
    **{
        name: Case(functools.partial(build_backbone, name, image_size=SIZE), [IMAGES])
        for name in ("small_cnn", "small_resnest")
    },
    "keras_hub: DINOv3": Case(
        lambda: build_keras_hub(build_hub_backbone("dinov3"), scale=1 / 255), [IMAGES]
    ),
}
SKIPPED = (
    "devise",  # inside devise_scores
    "cam_generator",  # inside semantic_resnest
)
# JAX 0.10 compiles its gradient without optimisations to NaN; uncompiled it is finite.
UNCOMPILED = ("decouplenet",)
CASES = {
    **LAYERS,
    **BACKBONES,
    **{
        name: Case(MODELS[name].build, [IMAGES])
        for name in PAPERS
        if name not in SKIPPED
    },
}
LOSSES = (
    losses.AsymmetricLoss(),
    losses.CosineMargin(),
    losses.FocalLoss(),
    losses.GroupFocalLoss((3, 2)),
    losses.HillLoss(),
    losses.HingeRank(),
    losses.LabelDistributionAwareMarginLoss(*COUNTS),
    losses.PartialBinaryCrossentropy(),
    losses.SelfPacedLossCorrection(),
    losses.SoftmaxRank(),
    losses.TwoWayLoss(),
)
METRICS = (
    lambda: metrics.AttributeAccuracy(dict(zip("ab", GROUPS, strict=True))),
    lambda: metrics.HitAtK(2),
    lambda: metrics.MeanAveragePrecision(len(LABELS)),
    lambda: metrics.PrecisionRecallF1(len(LABELS)),
    lambda: metrics.TopSimilarity(np.eye(len(LABELS)), k=2),
)


def gradients(function, values, compiled=True):
    """Returns a number's gradients by arrays, and what else the function returns."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        arrays = list(map(jax.numpy.asarray, values))
        with contextlib.nullcontext() if compiled else jax.disable_jit():
            return jax.jit(jax.grad(function, has_aux=True))(arrays)
    if backend == "torch":
        tensors = [ops.convert_to_tensor(value).requires_grad_() for value in values]
        energy, found = function(tensors)
        energy.backward()
        zeros = ops.zeros_like
        return [zeros(x) if x.grad is None else x.grad for x in tensors], found
    import tensorflow as tf

    tensors = [tf.convert_to_tensor(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        energy, found = function(tensors)
    return tape.gradient(energy, tensors, unconnected_gradients="zero"), found


def of_case(name: str, stored: dict[str, np.ndarray]) -> Iterator[tuple[str, Any]]:
    """Yields outputs, new state and gradients; fills `stored` where it is empty."""
    case = CASES[name]
    keras.utils.set_random_seed(0)
    with _zeros_first() if f"{name}/0" in stored else contextlib.nullcontext():
        built = case.build()
        if not built.built:
            built(*(keras.Input(batch_shape=array.shape) for array in case.inputs))
    options = {"training": True} if case.training else {}
    for number, weight in enumerate(built.weights):
        key = f"{name}/{number}"
        if key not in stored:
            noise = RANDOM.normal(scale=0.05, size=weight.shape)
            noise = noise if weight.trainable else 0
            stored[key] = ops.convert_to_numpy(weight) + noise
        weight.assign(stored[key])
    trainable = built.trainable_variables
    state = [variable.value for variable in built.non_trainable_variables]

    def energy(values):
        weights, inputs = values[: len(trainable)], values[len(trainable) :]
        outputs, after = built.stateless_call(weights, state, *inputs, **options)
        outputs = keras.tree.flatten(outputs)
        return sum(map(_weigh, outputs)), (outputs, after)

    values = [ops.convert_to_numpy(variable.value) for variable in trainable]
    inputs = [array.astype("float32") for array in case.inputs]
    found, (outputs, after) = gradients(
        energy, [*values, *inputs], compiled=name not in UNCOMPILED
    )
    yield from _numbered("output", outputs)
    yield from _numbered("gradient", found)
    if case.training:
        yield from _numbered("state", after)


def of_loss(loss) -> Iterator[tuple[str, Any]]:
    """Yields a loss and its gradient by the logits."""
    targets = TARGETS
    if isinstance(loss, losses.CosineMargin):  # which of the others it draws differs
        targets = 1 - np.eye(*TARGETS.shape, dtype=TARGETS.dtype)

    def compute(values):
        value = loss(targets, values[0])
        return value, value

    found, value = gradients(compute, [LOGITS])
    yield "output 0", value
    yield from _numbered("gradient", found)


def of_metric(make) -> Iterator[tuple[str, Any]]:
    """Yields the value of a metric after two batches."""
    metric = make()
    for rows in (slice(0, 4), slice(4, 6)):
        metric.update_state(np.abs(TARGETS[rows]), LOGITS[rows])
    yield "output 0", metric.result()


def compute(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Computes everything with this process's backend, by "kind name: value"."""
    values = {}
    for name in CASES:
        for key, value in of_case(name, stored):
            values[f"{name}: {key}"] = ops.convert_to_numpy(value)
    for loss in LOSSES:
        for key, value in of_loss(loss):
            values[f"{type(loss).__name__}: {key}"] = ops.convert_to_numpy(value)
    for make in METRICS:
        for key, value in of_metric(make):
            values[f"{type(make()).__name__}: {key}"] = np.asarray(value)
    return values


def _zeros_first():
    """Lets weights that are replaced be zero: JAX compiles the draws of each shape."""
    zeros = mock.Mock(side_effect=lambda shape, dtype, **_: np.zeros(shape, dtype))
    draws = dict.fromkeys(("normal", "truncated_normal", "uniform"), zeros)
    return mock.patch.multiple(random_initializers.random, **draws)


def _weigh(output):
    """Returns a number whose gradient a normalisation of the output keeps."""
    factors = np.cos(np.arange(np.prod(output.shape)), dtype="float32")
    factors = ops.convert_to_tensor(np.reshape(factors, output.shape))
    return ops.sum(ops.square(output) * factors)


def _numbered(name, values):
    return ((f"{name} {number}", value) for number, value in enumerate(values))


if __name__ == "__main__":
    with np.load(sys.argv[1]) as weights:
        np.savez(sys.argv[2], **compute(dict(weights)))
