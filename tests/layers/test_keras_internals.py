"""Fails when Keras or TensorFlow changes what `keras_internals` relies on."""

import importlib.util
import os
import subprocess
import sys

import keras
import pytest
import tensorflow as tf

from kmlic.layers.keras_internals import (
    flatten_layers,
    graph_nodes,
    is_traced_for_xla,
    limit_variables,
    producer,
)


class Composite(keras.layers.Layer):
    def build(self, input_shape):
        self.inner = keras.layers.Dense(2, name="inner")
        self.inner.build(input_shape)

    def call(self, inputs):
        return self.inner(inputs)


def build_nested():
    part = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="dense")])
    images = keras.Input((3,), name="images")
    outputs = Composite(name="composite")(part(images))
    return keras.Model(images, keras.layers.Add(name="add")([outputs, outputs]))


def test_layers_inside_models_and_layers_are_listed():
    names = {layer.name for layer in flatten_layers(build_nested())}
    assert {"images", "dense", "composite", "inner", "add"} <= names


def test_calls_come_in_the_order_in_which_they_run():
    nodes = list(graph_nodes(build_nested()))
    assert [node.is_input for node in nodes] == [True, False, False, False]
    assert [node.operation.name for node in nodes[2:]] == ["composite", "add"]
    (composite,) = nodes[2].output_tensors
    assert [x is composite for x in nodes[3].input_tensors] == [True, True]


@pytest.mark.parametrize("units", [(2,), (2, 5)])
def test_a_sequential_model_has_calls_too(units):
    dense = [keras.layers.Dense(each) for each in units]
    model = keras.Sequential([keras.Input((3,)), *dense])
    assert [node.operation for node in graph_nodes(model)][1:] == dense


def test_a_tensor_knows_the_layer_that_made_it():
    layer = keras.layers.Dense(2)
    assert producer(layer(keras.Input((3,)))) is layer


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_function_knows_whether_xla_will_compile_it(jit_compile):
    found = []

    @tf.function(jit_compile=jit_compile)
    def trace(x):
        found.append(is_traced_for_xla())
        return x

    trace(tf.ones(()))
    assert found == [jit_compile]
    assert not is_traced_for_xla()


def test_variables_beyond_the_limit_are_not_created():
    with limit_variables(4 * (3 * 5 + 5)):
        layer = keras.layers.Dense(5)
        layer.build((None, 3))
    assert layer.kernel.shape == (3, 5)
    with (
        limit_variables(1 << 20),
        pytest.raises(ValueError, match=r"\(300000, 300000\)"),
    ):
        keras.layers.Dense(300_000).build((None, 300_000))
    keras.layers.Dense(300).build((None, 3000))


def test_layers_with_dots_in_their_names_compute_under_pytorch():
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs `pip install torch`")
    code = """
import keras, torch
from kmlic.layers import keras_internals
layer = keras.layers.Dense(2, name="layer1.0.conv")
outputs = layer(torch.ones(1, 3))
names = [name for name, _ in layer.named_parameters()]
assert len(names) == len(list(layer.parameters())) == 2, names
outputs.sum().backward()
assert layer.kernel.value.grad.shape == (3, 2)
"""
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
