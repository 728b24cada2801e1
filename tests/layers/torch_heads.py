"""The heads as modules of PyTorch, from their papers, with the weights of a layer."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional


def _tensor(weight):
    return torch.tensor(np.array(weight, "float32"))


def _parameter(weight):
    return nn.Parameter(_tensor(weight))


def _linear(dense):
    linear = nn.Linear(*dense.kernel.shape)
    linear.weight = _parameter(np.transpose(dense.kernel))
    linear.bias = _parameter(dense.bias)
    return linear


def _normalisation(layer):
    norm = nn.LayerNorm(layer.gamma.shape[0], eps=1e-5)
    norm.weight, norm.bias = _parameter(layer.gamma), _parameter(layer.beta)
    return norm


class Csra(nn.Module):
    """Class-specific residual attention, from features (B, C, H, W) to logits."""

    def __init__(self, layer):
        super().__init__()
        self.temperatures, self.share = layer.temperatures, layer.attention_weight
        kernels = np.split(np.array(layer.kernel), len(self.temperatures), axis=1)
        self.kernels = nn.ParameterList(
            _parameter(kernel.T[:, :, None, None]) for kernel in kernels
        )

    def forward(self, features):
        """Returns (B, L)."""
        total = 0.0
        for kernel, temperature in zip(self.kernels, self.temperatures, strict=True):
            norm = torch.norm(kernel, dim=1, keepdim=True).transpose(0, 1)
            scores = (functional.conv2d(features, kernel) / norm).flatten(2)
            if math.isinf(temperature):
                attended = scores.max(dim=2).values
            else:
                attended = (scores * (temperature * scores).softmax(dim=2)).sum(dim=2)
            total = total + scores.mean(dim=2) + self.share * attended
        return total


class Block(nn.Module):
    """Attention and two linear layers, each added and normalised."""

    def __init__(self, block):
        super().__init__()
        parts = (block.query, block.key, block.value)
        size = block.query.kernel.shape[0]
        self.attend = nn.MultiheadAttention(size, block.num_heads, batch_first=True)
        self.attend.in_proj_weight = _parameter(
            np.concatenate([np.transpose(part.kernel) for part in parts])
        )
        self.attend.in_proj_bias = _parameter(
            np.concatenate([np.array(part.bias) for part in parts])
        )
        self.attend.out_proj.weight = _parameter(
            np.transpose(block.output_dense.kernel)
        )
        self.attend.out_proj.bias = _parameter(block.output_dense.bias)
        self.hidden, self.transform = _linear(block.hidden), _linear(block.transform)
        self.first = _normalisation(block.normalise_attended)
        self.second = _normalisation(block.normalise_transformed)

    def forward(self, x, query, key, value):
        """Returns (B, T, D)."""
        x = self.first(x + self.attend(query, key, value, need_weights=False)[0])
        return self.second(x + self.transform(self.hidden(x).relu()))


class MlDecoder(nn.Module):
    """ML-Decoder with fixed queries of groups, from features (B, C, H, W)."""

    def __init__(self, layer):
        super().__init__()
        self.labels = layer.num_labels
        self.project, self.block = _linear(layer.project), Block(layer.decode)
        self.norm = _normalisation(layer.normalise)
        self.register_buffer("queries", _tensor(layer.queries))
        self.kernel, self.bias = _parameter(layer.kernel), _parameter(layer.bias)

    def forward(self, features):
        """Returns (B, L)."""
        tokens = self.project(features.flatten(2).transpose(1, 2)).relu()
        queries = self.queries.expand(len(features), -1, -1)
        queries = self.norm(queries + queries)
        found = self.block(queries, queries, tokens, tokens)
        logits = torch.einsum("bkd,kdn->bkn", found, self.kernel).flatten(1)
        return logits[:, : self.labels] + self.bias


class Query2Label(nn.Module):
    """Query2Label, from features (B, C, H, W) to logits."""

    def __init__(self, layer):
        super().__init__()
        self.project = _linear(layer.project)
        self.encoders = nn.ModuleList(map(Block, layer.encoders))
        self.decoders = nn.ModuleList(map(Block, layer.decoders))
        self.norm = _normalisation(layer.normalise)
        self.queries = _parameter(layer.queries)
        self.kernel, self.bias = _parameter(layer.kernel), _parameter(layer.bias)

    def forward(self, features):
        """Returns (B, L)."""
        height, width = features.shape[2:]
        values = self.project(features.flatten(2).transpose(1, 2))
        places = sine_positions(height, width, values.shape[2])
        for encode in self.encoders:
            values = encode(values, values + places, values + places, values)
        own = self.queries.expand(len(features), -1, -1)
        found = torch.zeros_like(own)
        for decode in self.decoders:
            found = decode(found, found + own, values + places, values)
        return (self.norm(found) * self.kernel).sum(dim=2) + self.bias


def sine_positions(height, width, size):
    """DETR's sines of rows and columns, (H * W, D)."""
    half = size // 2
    waves = 10000 ** (
        2 * torch.div(torch.arange(half), 2, rounding_mode="floor") / half
    )
    parts = []
    for count, shape in ((height, (height, 1)), (width, (1, width))):
        steps = 2 * math.pi * torch.arange(1, count + 1) / (count + 1e-6)
        angles = steps[:, None] / waves
        pairs = torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=2)
        parts.append(pairs.flatten(1).reshape(*shape, half).expand(height, width, half))
    return torch.cat(parts, dim=2).flatten(0, 1)


PEERS = {
    "ClassSpecificResidualAttention": Csra,
    "MLDecoder": MlDecoder,
    "Query2Label": Query2Label,
}
