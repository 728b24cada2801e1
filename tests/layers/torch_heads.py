"""The heads as modules of PyTorch, from their papers, with the weights of ours."""

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


def _convolution(layer, **options):
    height, width, inputs, outputs = layer.kernel.shape
    convolution = nn.Conv2d(inputs, outputs, (height, width), **options)
    convolution.weight = _parameter(np.transpose(layer.kernel, (3, 2, 0, 1)))
    convolution.bias = None if layer.bias is None else _parameter(layer.bias)
    return convolution


def pool_maps(maps, share=0.2, alpha=0.7):
    """WILDCAT's pooling of maps (B, L, H, W)."""
    values = maps.flatten(2)
    count = max(1, round(share * values.shape[2]))
    highest = values.topk(count, dim=2).values.mean(dim=2)
    lowest = values.topk(count, dim=2, largest=False).values.mean(dim=2)
    return (highest + alpha * lowest) / 2


class Wildcat(nn.Module):
    """One map per label, of which the highest and lowest values count."""

    def __init__(self, model):
        super().__init__()
        self.maps = _convolution(model.get_layer("maps"))

    def forward(self, features):
        """Returns (B, L)."""
        return pool_maps(self.maps(features))


class DecoupleNet(nn.Module):
    """Several maps per label, and attention over labels from their mean."""

    def __init__(self, model):
        super().__init__()
        ours = model.get_layer("space_to_depth")
        attention = model.get_layer("attention")
        self.labels, channels = ours.num_labels, ours.expand.kernel.shape[-1]
        self.expand = nn.ConvTranspose2d(channels, self.labels, 3)
        kernel = np.transpose(ours.expand.kernel, (3, 2, 0, 1))
        self.expand.weight = _parameter(kernel)
        self.expand.bias = _parameter(ours.expand.bias)
        count = self.labels * ours.maps_per_label
        self.split = nn.Conv2d(self.labels, count, 3, groups=self.labels)
        kernel = np.transpose(ours.split.kernel, (2, 3, 0, 1))
        self.split.weight = _parameter(np.reshape(kernel, (count, 1, 3, 3)))
        self.split.bias = _parameter(ours.split.bias)
        self.relate = _convolution(attention.relate)
        self.norm = nn.BatchNorm2d(self.labels, eps=1e-5, momentum=0.1)

    def forward(self, features):
        """Returns (B, L)."""
        maps = self.split(self.expand(features)).unflatten(1, (self.labels, -1))
        largest = maps.amax(dim=2)
        related = self.norm(self.relate(maps.mean(dim=2)))
        gate = related.amax(dim=(2, 3), keepdim=True).sigmoid()
        return pool_maps(largest + gate * largest)


class Msrn(nn.Module):
    """MSRN's last stage, with embeddings that are learned."""

    def __init__(self, model):
        super().__init__()
        self.project = _convolution(model.get_layer("project"))
        self.embeddings = _parameter(model.get_layer("embeddings").weights[0])
        self.hidden = _linear(model.get_layer("hidden"))
        self.logits = _linear(model.get_layer("logits"))

    def forward(self, features):
        """Returns (B, L)."""
        x = self.project(functional.max_pool2d(features, 2)).flatten(2)[:, None]
        weights = (x * self.embeddings[:, :, None]).softmax(dim=3)  # (B, E, D, N)
        found = (weights * x).sum(dim=3)
        hidden = self.hidden(found.tanh().flatten(1))
        return self.logits(functional.leaky_relu(hidden, 0.2))


PEERS = {
    "ClassSpecificResidualAttention": Csra,
    "MLDecoder": MlDecoder,
    "Query2Label": Query2Label,
    "wildcat": Wildcat,
    "decouplenet": DecoupleNet,
    "msrn": Msrn,
}
