import numpy as np
import pytest

from kmlic.layers import SplitAttention
from tests.checks import check_layer
from tests.shared import shared_path

IMAGES = np.random.default_rng(0).normal(size=(2, 5, 7, 12)).astype("float32")
CASES = [
    "r1c1_16to16",
    "r2c1_16to16",
    "r2c2_16to16",
    "r4c2_16to32",
    "r1c4_16to16",
    "r3c1_12to12",
]
SUBLAYERS = {
    "features": "conv",
    "features_norm": "bn0",
    "squeeze": "fc1",
    "squeeze_norm": "bn1",
    "excite": "fc2",
}
WEIGHTS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


@pytest.mark.parametrize(
    "arguments",
    [
        {"filters": 8, "radix": 1},
        {"filters": 8, "radix": 2, "cardinality": 2},
        {"filters": 8, "radix": 2, "strides": 2},
    ],
)
def test_keeps_the_layer_contract(arguments):
    side = (3, 4) if arguments.get("strides") == 2 else (5, 7)
    check_layer(SplitAttention, arguments, [IMAGES], output_shape=(2, *side, 8))


def test_matches_the_paper_written_in_numpy():
    layer = SplitAttention(6, radix=2, cardinality=2)
    outputs = layer(IMAGES)

    splits = np.maximum(layer.features(IMAGES) / np.sqrt(1 + 1e-5), 0)
    splits = splits.reshape(2, 5, 7, 2, 2, 3)  # radix, cardinality, channels
    means = splits.mean(axis=(1, 2)).sum(axis=1).reshape(2, 1, 1, 6)
    hidden = np.maximum(layer.squeeze(means) / np.sqrt(1 + 1e-5), 0)
    scores = np.exp(np.reshape(layer.excite(hidden), (2, 2, 2, 3)))  # cardinality first
    weights = (scores / scores.sum(axis=2, keepdims=True)).transpose(0, 2, 1, 3)
    expected = (splits * weights[:, None, None]).sum(axis=3).reshape(2, 5, 7, 6)

    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_matches_timm(case):
    arrays = np.load(shared_path("parity/splitattn.npz"))
    images = arrays[f"{case}/x"].transpose(0, 2, 3, 1)
    expected = arrays[f"{case}/y"].transpose(0, 2, 3, 1)
    layer = SplitAttention(
        expected.shape[-1], radix=int(case[1]), cardinality=int(case[3])
    )
    layer.build(images.shape)
    for weight in layer.weights:
        *_, sublayer, name = weight.path.split("/")
        value = arrays[f"{case}/w/{SUBLAYERS[sublayer]}.{WEIGHTS[name]}"]
        weight.assign(value.transpose(2, 3, 1, 0) if value.ndim == 4 else value)

    np.testing.assert_allclose(
        layer(images), expected, atol=1e-4 * np.abs(expected).max()
    )


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="cardinality=3 and filters=8"):
        SplitAttention(8, cardinality=3)
    with pytest.raises(ValueError, match="radix=0"):
        SplitAttention(8, radix=0)
