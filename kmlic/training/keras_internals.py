"""Every private name of Keras that only training uses, one per function or class.

Keras has no public name for any of these. tests/training/test_keras_internals.py fails
when Keras changes one of them, and setup.cfg pins Keras below the next minor version.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from kmlic.layers.keras_internals import flatten_layers


def build_all(model: keras.Model, batch_spec: Any) -> None:
    """Creates the variables of a compiled model, its optimizer and its metrics.

    `keras.Model.build` creates the weights only. Keras creates the others from the
    first batch of `fit`, which is too late to restore a checkpoint.

    Args:
        model: compiled.
        batch_spec: the element spec of a dataset of batches.
    """
    strategy = model.distribute_strategy
    with strategy.scope() if strategy else contextlib.nullcontext():
        model._symbolic_build(data_batch=batch_spec)


@contextlib.contextmanager
def without_first_batch(model: keras.Model) -> Iterator[None]:
    """Stops `fit` from taking a batch to build a model, which is built already.

    Under a strategy Keras takes one whether or not the model is built, which skips a
    training batch and fails with several workers.
    """
    model._maybe_symbolic_build = lambda **_: None
    try:
        yield
    finally:
        del model._maybe_symbolic_build


def averages(optimizer: keras.Optimizer) -> list[tuple[keras.Variable, keras.Variable]]:
    """Returns the weights of an optimizer with `use_ema`, each with its average.

    The public `finalize_variable_values` overwrites the weights with the averages.
    """
    weights = optimizer._trainable_variables
    return list(zip(weights, optimizer._model_variables_moving_average, strict=True))


def update_loss(model: keras.Model, loss: tf.Tensor, rows: tf.Tensor) -> None:
    """Adds the loss of a batch to the mean loss that `fit` reports.

    Keras does this inside `train_step`, which `accumulate_gradients` replaces.
    """
    model._loss_tracker.update_state(loss, sample_weight=rows)


def variable_index(optimizer: keras.Optimizer, variable: tf.Variable) -> int:
    """Returns the index of a weight that Keras passes to `update_step`.

    Keras passes TensorFlow's variable, which has neither an index, as the list of
    momentums needs, nor the path of Keras' variable.
    """
    return optimizer._get_variable_index(variable)


def variable_path(optimizer: keras.Optimizer, variable: tf.Variable) -> str:
    """Returns the path of a weight that Keras passes to `update_step`."""
    return optimizer._trainable_variables[variable_index(optimizer, variable)].path


# These two are base classes because Keras calls the private methods of the optimizer.
class SummedClipping(keras.Optimizer):
    """Clips gradients after they are summed over the replicas.

    Keras clips the gradients of each replica, so that two replicas do not train like
    one.
    """

    def _clip_gradients(self, grads):
        return grads

    def _all_reduce_sum_gradients(self, grads_and_vars):
        summed = list(super()._all_reduce_sum_gradients(grads_and_vars))
        gradients, variables = zip(*summed, strict=True)
        if self.global_clipnorm:
            clipped = _clip_by_global_norm(gradients, self.global_clipnorm)
        else:
            clipped = super()._clip_gradients(list(gradients))
        return list(zip(clipped, variables, strict=True))


class KernelDecay(keras.Optimizer):
    """Leaves weight decay to `update_step`, which asks `decays` of each weight.

    Keras decays all weights at one rate before it updates them.
    """

    def decays(self, variable: tf.Variable) -> bool:
        """Returns whether a weight is decayed: kernels that are not excluded."""
        return len(variable.shape) > 1 and self._use_weight_decay(variable)

    def _apply_weight_decay(self, variables):
        pass


def replace_losses(model: keras.Model, make: Callable[[], Any]) -> None:
    """Replaces the list in which each layer keeps what `add_loss` added.

    Args:
        model: any model.
        make: returns a list, or an object with its `extend`, `clear` and slices.
    """
    for layer in flatten_layers(model):
        layer._losses = make()


def patch_reduce_per_replica() -> None:
    """Patches Keras so that `fit` and `predict` return what this worker computed.

    Keras reduces the results of a step over all workers along an axis that scalars do
    not have (keras #20585). The reduction is not needed: metrics are summed over the
    workers when they are read, and all workers score the same images.
    """
    from keras.src.backend.tensorflow import trainer

    def reduce_per_replica(values, strategy, reduction):
        def local(value):
            results = strategy.experimental_local_results(value)
            return trainer.concat(results) if reduction == "concat" else results[0]

        return keras.tree.map_structure(local, values)

    trainer.reduce_per_replica = reduce_per_replica


def _clip_by_global_norm(gradients, limit):
    # l2_loss is half the sum of squares, without a copy of the gradient.
    squares = [tf.nn.l2_loss(each) for each in gradients if each is not None]
    norm = tf.sqrt(2.0 * tf.add_n([tf.cast(s, "float32") for s in squares]))
    scale = limit / tf.maximum(norm, limit)
    return [
        each if each is None else each * tf.cast(scale, each.dtype)
        for each in gradients
    ]
