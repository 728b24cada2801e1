"""Differentiable graph pooling."""

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.layers.graph_attention import GraphAttention


@keras.saving.register_keras_serializable(package="kmlic")
class DiffPool(keras.layers.Layer):
    """Pools the nodes of a graph into groups, each a learned mixture of nodes.

    Paper: Ying et al., "Hierarchical Graph Representation Learning with Differentiable
    Pooling", NeurIPS 2018, equations 3 to 6, https://arxiv.org/abs/1806.08804. Differs
    from the paper, as MSRN's code does, https://arxiv.org/abs/2106.11596: both networks
    are residual graph attention, and the link and entropy losses are off by default.
    They are scaled as in PyTorch Geometric.

    Shapes: (L, F), (L, L) to the groups (G, D), their adjacency (G, G) and the share of
    each node in each group (L, G).

    Args:
        num_groups: number of groups G, at most L.
        units: number of features D of a group.
        link_loss_weight: weight of ||A - S S^T|| / L^2, which encourages neighbours to
            share groups.
        entropy_loss_weight: weight of the mean entropy of a node's shares, which
            encourages each node to belong to one group.

    Raises:
        ValueError: if there are more groups than nodes.

    Example:
        >>> nodes, adjacency = keras.ops.ones((5, 3)), keras.ops.eye(5)
        >>> groups, links, shares = DiffPool(num_groups=2, units=4)(nodes, adjacency)
        >>> tuple(groups.shape), tuple(links.shape), tuple(shares.shape)
        ((2, 4), (2, 2), (5, 2))
    """

    def __init__(
        self,
        num_groups: int,
        units: int,
        link_loss_weight: float = 0.0,
        entropy_loss_weight: float = 0.0,
        **kwargs,
    ):
        # Autocast would round the adjacency; everything here is small and in float32.
        super().__init__(autocast=False, **kwargs)
        check_number("num_groups", num_groups, at_least=1)
        self.num_groups = num_groups
        self.units = units
        self.link_loss_weight = link_loss_weight
        self.entropy_loss_weight = entropy_loss_weight

    def build(self, nodes_shape, adjacency_shape):
        num_nodes = nodes_shape[-2]
        if num_nodes is not None and self.num_groups > num_nodes:
            raise ValueError(
                f"`num_groups` must be at most the number of nodes; got "
                f"num_groups={self.num_groups} for {num_nodes} nodes."
            )
        self.embed = residual_graph_attention(self.units, name="embed")
        self.assign = residual_graph_attention(self.num_groups, name="assign")
        self.embed.build(nodes_shape, adjacency_shape)
        self.assign.build(nodes_shape, adjacency_shape)

    def call(self, nodes, adjacency):
        adjacency = ops.cast(adjacency, "float32")
        embedded = self.embed(nodes, adjacency)  # (L, D)
        logits = self.assign(nodes, adjacency)  # (L, G)
        shares = ops.exp(logits - ops.logsumexp(logits, axis=-1, keepdims=True))
        groups = ops.matmul(ops.transpose(shares), embedded)  # (G, D)
        links = ops.matmul(ops.matmul(ops.transpose(shares), adjacency), shares)
        if self.link_loss_weight:
            self.add_loss(self.link_loss_weight * _link_loss(adjacency, shares))
        if self.entropy_loss_weight:
            self.add_loss(self.entropy_loss_weight * _entropy_loss(shares))
        dtype = self.compute_dtype
        return ops.cast(groups, dtype), ops.cast(links, dtype), ops.cast(shares, dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "num_groups": self.num_groups,
            "units": self.units,
            "link_loss_weight": self.link_loss_weight,
            "entropy_loss_weight": self.entropy_loss_weight,
        }


def residual_graph_attention(units: int, name: str) -> GraphAttention:
    """Builds the graph attention of MSRN's code, ELU(alpha h + h), in float32."""
    return GraphAttention(
        units,
        residual=True,
        add_self_loops=False,
        use_bias=False,
        activation="elu",
        # torch's xavier_uniform with gain 1.414.
        kernel_initializer=keras.initializers.VarianceScaling(2, "fan_avg", "uniform"),
        dtype="float32",
        name=name,
    )


def _link_loss(adjacency, shares):
    squared = ops.sum((adjacency - ops.matmul(shares, ops.transpose(shares))) ** 2)
    # At a perfect fit the gradient of sqrt would be NaN.
    return ops.sqrt(ops.maximum(squared, 1e-30)) / ops.cast(
        ops.size(adjacency), "float32"
    )


def _entropy_loss(shares):
    return ops.mean(-ops.sum(shares * ops.log(shares + 1e-15), axis=-1))
