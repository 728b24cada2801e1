"""What trainings and exports cost, where it can be counted rather than timed.

tests/test_start_up.py counts the imports of commands.
"""

import collections
import math

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

from kmlic.export import export_onnx
from kmlic.labels import Labels
from kmlic.layers import SemanticGuidedAttention
from kmlic.models import build_msrn
from kmlic.training import fit, predict_scores
from tests.toys import toy_data, toy_model


@keras.saving.register_keras_serializable(package="tests")
class CountTraces(keras.layers.Layer):
    """Counts how often Python runs it while TensorFlow traces."""

    traces = 0

    def call(self, inputs):
        if not tf.executing_eagerly():
            CountTraces.traces += 1
        return inputs


def test_training_and_prediction_are_traced_once_each(tmp_path):
    plain = toy_model()
    x = CountTraces()(plain.output)
    model = keras.Model(plain.input, x)
    model.compile(keras.optimizers.SGD(0.1), plain.loss)
    data = toy_data(36)  # the last batch of an evaluation is smaller than the others
    CountTraces.traces = 0
    fit(model, data.train, data.validation, epochs=3, folder=tmp_path)
    trained = CountTraces.traces
    predict_scores(model, data.test)
    predict_scores(model, data.test)
    assert 0 < trained <= 3  # the step, the validation, and its last batch
    assert CountTraces.traces == trained


@pytest.mark.parametrize("direction", ["forward", "gradient"])
def test_the_attention_never_holds_a_weight_per_region_and_label(direction):
    """(B, N, E, D) is a gigabyte at 448 pixels and 80 labels."""
    features = tf.zeros((4, 28, 28, 64))
    embeddings = tf.zeros((84, 64))
    attend = SemanticGuidedAttention()

    def run(features, embeddings):
        with tf.GradientTape() as tape:
            tape.watch((features, embeddings))
            outputs = attend(features, embeddings)
        if direction == "forward":
            return outputs
        return tape.gradient(outputs, (features, embeddings))

    graph = tf.function(run).get_concrete_function(features, embeddings).graph
    bodies = [graph, *(body.graph for body in _functions(graph))]
    sizes = [
        math.prod(tensor.shape)
        for body in bodies
        for operation in body.get_operations()
        for tensor in operation.outputs
        if tensor.shape.is_fully_defined()
    ]
    assert max(sizes) < 0.1 * math.prod((4, 28 * 28, 84, 64))


def _functions(graph):
    return [each for each in graph._functions.values() if hasattr(each, "graph")]


def test_an_export_of_msrn_computes_the_image_alone(tmp_path):
    """Embeddings are constants, normalization is part of the convolutions."""
    model = build_msrn(
        np.random.default_rng(0).normal(size=(5, 50)),
        np.eye(5),
        backbone="small_resnet",
        num_groups=2,
        embedding_size=16,
        hidden_units=32,
        image_size=64,
    )
    labels = Labels(tuple("abcde"), image_size=64)
    path = export_onnx(model, tmp_path / "model.onnx", labels=labels)
    graph = onnx.load(path).graph
    counts = collections.Counter(node.op_type for node in graph.node)
    convolutions = sum(
        isinstance(layer, keras.layers.Conv2D) for layer in model._flatten_layers()
    )
    assert counts["Conv"] == convolutions
    assert counts["BatchNormalization"] == 0
    assert counts["Gemm"] + counts["MatMul"] < 20
