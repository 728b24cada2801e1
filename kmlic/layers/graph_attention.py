"""Graph attention, computed by spektral's GATConv under TensorFlow."""

import math

import keras
from keras import ops
from spektral.layers import GATConv

from kmlic.check_number import check_number


@keras.saving.register_keras_serializable(package="kmlic")
class GraphAttention(keras.layers.Layer):
    """Replaces each node by an attention-weighted mean of its neighbours.

    Paper: Velickovic et al., "Graph Attention Networks", ICLR 2018, equations 1 to 5,
    https://arxiv.org/abs/1710.10903, computed by spektral's GATConv. With
    `residual=True, use_bias=False, add_self_loops=False, activation="elu"` it is
    equations 2 and 3 of MSRN, https://arxiv.org/abs/2106.11596.
    Differs from GATConv: it runs under Keras 3 (which hands GATConv a mask that it
    cannot read), in float32 under every precision policy, keeps all arguments in its
    configuration, initialises the kernel as a matrix, and a node without neighbours
    receives nothing instead of the mean of all nodes.

    Shapes: (L, F), (L, L) to (L, num_heads * units).

    Args:
        units: number of output features per head.
        num_heads: number of attention heads, concatenated.
        residual: whether to add the node's own transformed features before the bias.
        add_self_loops: whether every node is its own neighbour, regardless of the
            adjacency.
        use_bias: whether to add a bias before the activation.
        activation: applied to the outputs.
        dropout: share of attention coefficients dropped in training, 0 to 1.
        kernel_initializer: of the (F, num_heads * units) kernel.

    Raises:
        ValueError: if `units` or `num_heads` is below 1.

    Call arguments: nodes, and an adjacency whose element (i, j) is positive where node
    i receives from node j; its values do not matter otherwise.

    Example:
        >>> nodes, adjacency = keras.ops.ones((5, 3)), keras.ops.eye(5)
        >>> tuple(GraphAttention(4, num_heads=2)(nodes, adjacency).shape)
        (5, 8)
    """

    def __init__(
        self,
        units: int,
        num_heads: int = 1,
        residual: bool = False,
        add_self_loops: bool = True,
        use_bias: bool = True,
        activation=None,
        dropout: float = 0.0,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        # Autocast would round the adjacency and the attention scores.
        super().__init__(autocast=False, **kwargs)
        check_number("units", units, at_least=1)
        check_number("num_heads", num_heads, at_least=1)
        self.units = units
        self.num_heads = num_heads
        self.residual = residual
        self.add_self_loops = add_self_loops
        self.use_bias = use_bias
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, nodes_shape, adjacency_shape):
        self.attend = _Convolution(
            self.units,
            attn_heads=self.num_heads,
            dropout_rate=self.dropout,
            add_self_loops=self.add_self_loops,
            use_bias=False,
            kernel_initializer=_through_matrix(self.kernel_initializer, axis=1),
            attn_kernel_initializer=_through_matrix("glorot_uniform", axis=2),
            dtype="float32",
            name="attend",
        )
        self.attend.build([nodes_shape, adjacency_shape])
        if self.use_bias:
            self.bias = self.add_weight(
                (self.num_heads * self.units,),
                initializer="zeros",
                dtype="float32",
                autocast=False,
                name="bias",
            )

    def call(self, nodes, adjacency):
        nodes = ops.cast(nodes, "float32")
        neighbours = ops.cast(adjacency > 0, "float32")  # (L, L)
        if keras.backend.backend() == "tensorflow":
            outputs, hidden = self.attend([nodes, neighbours])  # (L, num_heads * units)
        else:
            outputs, hidden = self._attend(nodes, neighbours)
        if not self.add_self_loops:
            outputs = outputs * ops.max(neighbours, axis=-1, keepdims=True)
        if self.residual:
            outputs = outputs + hidden
        if self.use_bias:
            outputs = outputs + self.bias
        return ops.cast(self.activation(outputs), self.compute_dtype)

    def _attend(self, nodes, neighbours):
        """Computes what GATConv does, whose operators are TensorFlow's."""
        attend = self.attend
        if self.add_self_loops:
            neighbours = ops.maximum(neighbours, ops.eye(neighbours.shape[0]))
        hidden = ops.einsum("lf,fhd->lhd", nodes, attend.kernel)
        own = ops.einsum("lhd,dho->lho", hidden, attend.attn_kernel_self)
        others = ops.einsum("lhd,dho->ohl", hidden, attend.attn_kernel_neighs)
        scores = ops.leaky_relu(own + others, 0.2)  # (L, num_heads, L)
        scores = scores + ops.where(neighbours == 0.0, -10e9, 0.0)[:, None]
        coefficients = attend.dropout(ops.softmax(scores, axis=-1))
        outputs = ops.einsum("lhm,mhd->lhd", coefficients, hidden)
        shape = (-1, self.num_heads * self.units)
        return ops.reshape(outputs, shape), ops.reshape(hidden, shape)

    def compute_output_shape(self, nodes_shape, adjacency_shape):
        return (*nodes_shape[:-1], self.num_heads * self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "residual": self.residual,
            "add_self_loops": self.add_self_loops,
            "use_bias": self.use_bias,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


class _Convolution(GATConv):
    """GATConv without a mask that also returns the transformed nodes."""

    def call(self, inputs, mask=None):
        kernel = ops.reshape(self.kernel, (self.kernel.shape[0], -1))
        return super().call(inputs), ops.matmul(inputs[0], kernel)


def _through_matrix(initializer, axis):
    """Initialises GATConv's 3-D kernels as matrices.

    Keras takes the leading axis of a 3-D kernel for a convolution's window and would
    make the values up to sqrt(F) times too small.
    """
    initializer = keras.initializers.get(initializer)

    def initialize(shape, dtype=None):
        matrix = (math.prod(shape[:axis]), math.prod(shape[axis:]))
        return ops.reshape(initializer(matrix, dtype=dtype), shape)

    return initialize
