"""Private names of Keras and TensorFlow that kmlic uses outside `kmlic.training`."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.ops import control_flow_util


def flatten_layers(model: keras.Model) -> list[keras.Layer]:
    """Lists a model and all its layers, those inside composite layers too.

    Private because `model.layers` lists neither the layers of nested models nor the
    sublayers that a layer holds.
    """
    return list(model._flatten_layers())


def graph_nodes(model: keras.Model) -> Iterator[Any]:
    """Iterates over the calls that make up a functional model, inputs first.

    Each has `operation`, `input_tensors`, `output_tensors` and `is_input`. Private
    because Keras shows the layers of a model, but not how they are connected.
    """
    # A Sequential keeps its graph in a functional model inside.
    nodes = getattr(model, "_functional", model)._nodes_by_depth
    for depth in sorted(nodes, reverse=True):
        yield from nodes[depth]


def producer(tensor: keras.KerasTensor) -> keras.Operation:
    """Returns the layer or operation whose output a symbolic tensor is.

    Private because Keras has no public way from a tensor back to its layer.
    """
    return tensor._keras_history.operation


def is_traced_for_xla() -> bool:
    """Tells whether the function that is being traced will be compiled by XLA.

    Private because TensorFlow keeps the answer in the graph that it traces with
    `jit_compile=True`, and has no public question for it.
    """
    if tf.executing_eagerly():
        return False
    graph = tf.compat.v1.get_default_graph()
    return control_flow_util.GraphOrParentsInXlaContext(graph)
