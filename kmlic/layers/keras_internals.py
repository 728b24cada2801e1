"""Private names of Keras and TensorFlow that kmlic uses outside `kmlic.training`."""

import contextlib
import inspect
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


@contextlib.contextmanager
def limit_variables(max_bytes: int) -> Iterator[None]:
    """Refuses to create variables that have more bytes in all than `max_bytes`.

    Keras creates the variables that a configuration declares before it reads a file of
    weights. Private because the initial value that Keras passes to TensorFlow is a
    function, whose closure alone holds the shape.

    Args:
        max_bytes: of all variables that are created inside the context.

    Raises:
        ValueError: before the first variable is created that exceeds the limit.
    """
    used = 0

    def create(next_creator: Any, **options: Any) -> tf.Variable:
        nonlocal used
        value = options["initial_value"]
        if not callable(value):  # exists already
            return next_creator(**options)
        variable = inspect.getclosurevars(value).nonlocals["self"]
        used += variable.shape.num_elements() * tf.as_dtype(variable.dtype).size
        if used > max_bytes:
            raise ValueError(
                f"the configuration declares more than {max_bytes:,} bytes of weights,"
                f" {variable.path} of shape {tuple(variable.shape)} among them"
            )
        return next_creator(**options)

    with tf.variable_creator_scope(create):
        yield


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


def _take_dots_in_names() -> None:
    """Lets layers have names with dots, as timm's, under Keras' PyTorch backend.

    Keras hands each variable to PyTorch by its path, where PyTorch takes no dots.
    Private because Keras has no public way to name them otherwise.
    """
    import torch
    from keras.src.backend.torch.layer import TorchLayer

    class Parameters(torch.nn.ParameterDict):
        def _key_to_attr(self, key: str) -> str:
            return super()._key_to_attr(key).replace(".", "-")

    def track(layer: Any) -> None:
        variables = {variable.path: variable.value for variable in layer.variables}
        layer._torch_params = Parameters(variables)

    TorchLayer._track_variables = track


if keras.backend.backend() == "torch":
    _take_dots_in_names()
