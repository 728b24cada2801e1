"""MSRN as a module of PyTorch, from its paper and what its code does beside it."""

import pytest

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional


class Msrn(nn.Module):
    """MSRN from feature maps (B, C, H, W), finest first, to logits (B, L).

    The regions come last, so that a softmax reads consecutive numbers; the authors'
    code has the order (B, N, E, D).
    """

    def __init__(
        self, words, adjacency, channels, embedding_size=512, groups=4, hidden=2048
    ):
        super().__init__()
        self.register_buffer("words", torch.as_tensor(words, dtype=torch.float32))
        self.register_buffer("adjacency", torch.as_tensor(adjacency) > 0)
        labels = len(words)
        self.label_dense = nn.Linear(self.words.shape[1], 256)
        self.attend_1 = GraphAttention(256, 300)
        self.attend_2 = GraphAttention(300, embedding_size)
        self.embed = GraphAttention(embedding_size, embedding_size)
        self.assign = GraphAttention(embedding_size, groups)
        self.shields = nn.ModuleList(nn.Conv2d(size, size, 1) for size in channels[:-1])
        self.projections = nn.ModuleList(
            nn.Conv2d(size, embedding_size, 1) for size in channels
        )
        features = (labels + groups) * len(channels) * embedding_size
        self.hidden = nn.Linear(features, hidden)
        self.logits = nn.Linear(hidden, labels)

    def forward(self, feature_maps):
        """Returns the logits, and the sum of equation 6."""
        labels = self.label_dense(self.words)
        labels = self.attend_2(self.attend_1(labels, self.adjacency), self.adjacency)
        nodes = labels.relu()
        shares = self.assign(nodes, self.adjacency).softmax(dim=1)
        groups = shares.T @ self.embed(nodes, self.adjacency)
        penalty = ((groups[shares.argmax(dim=1)] - labels) ** 2).sum()
        embeddings = torch.cat([labels, groups])[:, :, None]  # (E, D, 1)

        branches = []
        for index, x in enumerate(feature_maps):
            if index < len(self.shields):
                x = self.shields[index](x)
            x = self.projections[index](functional.max_pool2d(x, 2))
            x = x.flatten(2)[:, None]  # (B, 1, D, N)
            branches.append(((x * embeddings).softmax(dim=3) * x).sum(dim=3))
        x = torch.cat(branches, dim=2).tanh().flatten(1)
        return self.logits(functional.leaky_relu(self.hidden(x), 0.01)), penalty


class GraphAttention(nn.Module):
    """Residual graph attention of one head, equations 2 and 3."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(inputs, outputs))
        self.own = nn.Parameter(torch.empty(outputs, 1))
        self.other = nn.Parameter(torch.empty(outputs, 1))
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight, gain=1.414)

    def forward(self, nodes, adjacency):
        """Returns (L, D)."""
        hidden = nodes @ self.kernel
        scores = functional.leaky_relu(hidden @ self.own + (hidden @ self.other).T, 0.2)
        weights = scores.masked_fill(~adjacency, -torch.inf).softmax(dim=1)
        return functional.elu(weights @ hidden + hidden)


def copy_weights(model, peer):
    """Copies the weights of a model of `build_msrn` to the peer."""
    layers = {layer.name: layer for layer in model.layers}
    embedding = layers["label_group_embedding"]
    copy_linear(embedding.label_dense, peer.label_dense)
    for name in ("attend_1", "attend_2"):
        copy_attention(getattr(embedding, name), getattr(peer, name))
    for name in ("embed", "assign"):
        copy_attention(getattr(embedding.pool, name), getattr(peer, name))
    for prefix, convolutions in (
        ("buffer_", peer.shields),
        ("project_", peer.projections),
    ):
        names = sorted(name for name in layers if name.startswith(prefix))
        for name, convolution in zip(names, convolutions, strict=True):
            copy_linear(layers[name], convolution)
    copy_linear(layers["hidden"], peer.hidden)
    copy_linear(layers["logits"], peer.logits)


def copy_linear(layer, module):
    """Copies a dense layer or a convolution of 1 x 1 with its bias."""
    with torch.no_grad():
        kernel = torch.tensor(layer.kernel.numpy())
        kernel = kernel.reshape(kernel.shape[-2:]).T
        module.weight.copy_(kernel.reshape(module.weight.shape))
        module.bias.copy_(torch.tensor(layer.bias.numpy()))


def copy_attention(layer, module):
    """Copies a graph attention layer of one head."""
    with torch.no_grad():
        for weight, parameter in zip(
            layer.get_weights(), module.parameters(), strict=True
        ):
            parameter.copy_(torch.tensor(weight).reshape(parameter.shape))
