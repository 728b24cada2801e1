import keras
import numpy as np
import pytest

from kmlic.backbones.residual_network import ResidualNetwork
from kmlic.explain import activation_maps
from kmlic.models import build_decouplenet
from tests.checks import check_tflite
from tests.shared import shared_path

# The reference networks take pixels that are normalised.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not normalise")

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
ATTENTIONS = ("arch1", "arch2", "both", None)


def build_small(num_labels=5, **changes):
    keras.utils.set_random_seed(0)
    arguments = {"backbone": _small_backbone(), "maps_per_label": 2, "image_size": 64}
    return build_decouplenet(num_labels, **{**arguments, **changes})


@pytest.mark.parametrize(
    ("arch", "attention"), [("arch1", "arch1"), ("arch2", "arch2"), ("noattn", None)]
)
def test_gives_the_development_codes_activations(arch, attention):
    with np.load(shared_path("parity/decouplenet.npz"), allow_pickle=False) as arrays:
        reference = dict(arrays)
    model = build_decouplenet(
        5,
        backbone=_reference_backbone(reference),
        attention=attention,
        maps_per_label=3,
        image_size=128,
    )
    _set_head(model, reference, arch)
    images = reference["in/x_nchw"].transpose(0, 2, 3, 1)

    probe = keras.Model(
        model.input,
        [
            model.get_layer("space_to_depth").input,
            *model.get_layer("space_to_depth").output,
            *([model.get_layer(arch).output] if attention else []),
            model.output,
        ],
    )
    keys = ("features", "class_pooling", "group_conv", "attnlayer", "spatial_pooling")
    keys = [key for key in keys if f"{arch}/act/{key}" in reference]
    for key, output in zip(keys, probe(images), strict=True):
        expected = reference[f"{arch}/act/{key}"]
        if expected.ndim == 4:
            expected = expected.transpose(0, 2, 3, 1)
        _assert_equal(output, expected, key)
    probabilities = keras.ops.sigmoid(probe(images)[-1])
    _assert_equal(probabilities, reference[f"{arch}/out/prob"], "probabilities")


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_couples_the_maps_with_the_attention(attention):
    model = build_small(attention=attention)
    gates = [
        model.get_layer(name).output
        for name in ("arch1", "arch2")
        if attention in (name, "both")
    ]
    probe = keras.Model(
        model.input,
        [
            model.get_layer("activation_maps").output,
            model.get_layer("space_to_depth").output[0],
            *gates,
        ],
    )
    coupled, largest, *gates = map(np.asarray, probe(IMAGES))
    assert len(gates) == {"both": 2, None: 0}.get(attention, 1)
    np.testing.assert_allclose(coupled, largest * (1 + sum(gates)), rtol=1e-5)


def test_explains_itself_by_its_maps():
    model = build_small(3)
    maps = activation_maps(model, IMAGES)
    assert maps.shape == (2, 5, 5, 3)
    # With one highest and one lowest value the logit is read off the map.
    logits = build_small(3, kmax=1, kmin=1)
    logits.set_weights(model.get_weights())
    expected = (maps.max(axis=(1, 2)) + 0.7 * maps.min(axis=(1, 2))) / 2
    np.testing.assert_allclose(logits(IMAGES), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("maps", "inputs"), [("avg", 5), ("max", 5), ("all", 10)])
def test_arch1_sees_the_maps_in_three_ways(maps, inputs):
    model = build_small(attention="arch1", attention_maps=maps)
    assert model.get_layer("arch1").relate.kernel.shape == (1, 1, inputs, 5)
    assert model(IMAGES).shape == (2, 5)


COCO = {  # reference/papers.md 5.3, C = 80 on 2048 channels
    "arch1": 1_474_640 + 6_400 + 6_560,
    "arch2": 1_474_640 + 6_400 + 164_000,
    "both": 1_474_640 + 6_400 + 6_560 + 164_000,
    None: 1_474_640 + 6_400,
}


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_has_the_codes_number_of_weights(attention, stride):
    images = keras.Input((448, 448, 3))
    features = keras.layers.AveragePooling2D(32)(images[..., :1])
    features = features * np.ones(2048, "float32")
    model = build_decouplenet(
        80,
        backbone=keras.Model(images, features, name="stub"),
        attention=attention,
        stride=stride,
    )
    weights = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert weights == COCO[attention]


@pytest.mark.parametrize("upsampling", ["transposed", "bilinear", None])
@pytest.mark.parametrize("num_labels", [1, 3])
def test_scores_a_feature_map_of_one_place(upsampling, num_labels):
    images = keras.Input((64, 64, 3))
    features = keras.layers.AveragePooling2D(64)(images)
    model = build_small(
        num_labels, backbone=keras.Model(images, features), upsampling=upsampling
    )
    maps = keras.Model(model.input, model.get_layer("activation_maps").output)(IMAGES)
    assert maps.shape == (2, 1, 1, num_labels)
    # Of one place the highest and the lowest value are the same.
    np.testing.assert_allclose(model(IMAGES), 0.85 * maps[:, 0, 0], rtol=1e-4)


def test_more_places_than_there_are_means_all():
    model = build_small(kmax=1000, kmin=0)
    maps = keras.Model(model.input, model.get_layer("activation_maps").output)(IMAGES)
    expected = np.mean(maps, axis=(1, 2))
    np.testing.assert_allclose(model(IMAGES), expected, rtol=1e-4, atol=1e-6)


def test_stays_finite_and_near_in_half_precision():
    model = build_small(attention="both")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = build_small(attention="both")
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(model.get_weights())
    assert mixed(IMAGES).dtype == "float32"
    np.testing.assert_allclose(mixed(IMAGES), model(IMAGES), atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize(
    ("upsampling", "stride"),
    [("transposed", 1), ("transposed", 2), ("bilinear", 1), ("bilinear", 2), (None, 1)],
)
def test_converts_to_builtin_operators(attention, upsampling, stride):
    model = build_small(attention=attention, upsampling=upsampling, stride=stride)
    check_tflite(model, IMAGES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": "arch3"}, "attention='arch3'"),
        ({"attention_maps": "sum"}, "attention_maps='sum'"),
        ({"dropout": 1}, "dropout=1"),
        ({"kmax": 0}, "kmax=0"),
        ({"maps_per_label": 0}, "maps_per_label=0"),
        ({"num_labels": 0}, "num_labels=0"),
        ({"stride": 2, "upsampling": None}, "stride=2 with upsampling=None"),
    ],
)
def test_says_early_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        build_small(**changes)


def _assert_equal(actual, expected, what):
    actual = np.reshape(actual, expected.shape)
    difference = np.abs(actual - expected).max() / np.abs(expected).max()
    assert difference < 1e-4, f"{what} differs by {difference:.1e} of its largest value"


def _small_backbone():
    images = keras.Input((64, 64, 3))
    x = keras.layers.Rescaling(1 / 255)(keras.layers.AveragePooling2D(4)(images))
    x = keras.layers.Conv2D(6, 3, strides=3, activation="tanh")(x)
    return keras.Model(images, x, name="small")


def _reference_backbone(reference):
    """torchvision's ResNet at an eighth of its width, with the reference's weights."""
    network = ResidualNetwork((1, 1, 1, 2), (8, 16, 32, 64))
    pixels = {"mean": (0.0,) * 3, "std": (1 / 255,) * 3}  # the input as it is
    model = network.build("resnet", image_size=128, **pixels)
    for layer in model.layers:
        parts = ("weight", "bias", "running_mean", "running_var")
        arrays = [
            reference[f"backbone/{layer.name}.{part}"]
            for part in parts
            if f"backbone/{layer.name}.{part}" in reference
        ]
        if arrays:
            if arrays[0].ndim == 4:
                arrays[0] = arrays[0].transpose(2, 3, 1, 0)
            layer.set_weights(arrays)
        else:
            assert not layer.weights, layer.name
    return model


def _set_head(model, reference, arch):
    def own(*names):
        arrays = [reference[f"{arch}/w/{name}"] for name in names]
        return [x.transpose(2, 3, 1, 0) if x.ndim == 4 else x for x in arrays]

    layer = model.get_layer("space_to_depth")
    layer.expand.set_weights(own("de_conv.weight", "de_conv.bias"))
    kernel, bias = own("group_conv.weight", "group_conv.bias")
    # torch's one input channel in each of L groups is a channel of its own here.
    layer.split.set_weights([kernel.reshape(layer.split.kernel.shape), bias])
    if arch != "noattn":
        attention = model.get_layer(arch)
        attention.relate.set_weights(own("attnlayer.conv_1.weight"))
        parts = ("weight", "bias", "running_mean", "running_var")
        attention.normalise.set_weights(own(*(f"attnlayer.bn.{p}" for p in parts)))
