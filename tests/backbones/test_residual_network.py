import keras
import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

from kmlic.backbones import ResidualNetwork
from kmlic.backbones.load_weights import load_weights
from kmlic.layers import SpatialGroupEnhance, SqueezeExcite
from tests.backbones.exports import check_exports
from tests.shared import shared_path

WIDTHS = (16, 32, 48, 64)
TINY = {"blocks": (1, 1, 1, 1), "widths": WIDTHS}
RESNEST = {"stem": "deep", "stem_width": 8, "radix": 2, "average_shortcut": True}
FAMILIES = {
    "resnet": TINY,
    "basic": {**TINY, "bottleneck": False, "stem": "3x3"},
    "basic_resnest": {**TINY, "bottleneck": False, "stem": "3x3", "radix": 2},
    "sge": {**TINY, "attention": SpatialGroupEnhance},
    "seresnet": {**TINY, "attention": SqueezeExcite},
    "legacy_seresnext": {
        **TINY,
        "attention": SqueezeExcite,
        "groups": 4,
        "base_width": 16,
        "caffe": True,
    },
    "resnest": {**TINY, **RESNEST},
    "resnest_4s2x": {**TINY, **RESNEST, "radix": 4, "groups": 2, "pool_first": True},
    "resnest_1s4x": {**TINY, **RESNEST, "radix": 1, "groups": 4, "pool_first": True},
}
# Those that hold every layer and every switch between them; the rest runs with -m slow.
QUICK = ("basic", "sge", "legacy_seresnext", "resnest_4s2x")
EVERY_FAMILY = [
    pytest.param(family, marks=() if family in QUICK else pytest.mark.slow)
    for family in FAMILIES
]
IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


@pytest.mark.parametrize(
    ("family", "blocks"),
    [("resnet", (2, 1, 1, 1)), ("seresnet", (2, 2, 1, 1)), ("resnest_d", (2, 2, 1, 1))],
)
def test_matches_timm_with_the_same_weights(family, blocks, tmp_path):
    arrays = np.load(shared_path(f"parity/tiny_{family}.npz"))
    state = {k.removeprefix("w/"): arrays[k] for k in arrays if k.startswith("w/")}
    safetensors.numpy.save_file(state, tmp_path / "tiny.safetensors")
    description = {**FAMILIES[family.removesuffix("_d")], "blocks": blocks}
    network = ResidualNetwork(**description)
    # The arrays start from normalised images.
    identity = {"mean": (0, 0, 0), "std": (1 / 255, 1 / 255, 1 / 255)}
    extractor = network.build("tiny", **identity)
    classifier = network.build("tiny", include_top=True, num_classes=5, **identity)
    for model in (extractor, classifier):
        load_weights(model, tmp_path / "tiny.safetensors")

    for odd in ("", "_odd"):
        images = arrays[f"in/x{odd}_nchw"].transpose(0, 2, 3, 1)
        for stage, feature_map in enumerate(extractor(images), start=1):
            expected = arrays[f"act/layer{stage}{odd}"].transpose(0, 2, 3, 1)
            _assert_close(feature_map, expected)
        _assert_close(classifier(images), arrays[f"out/logits{odd}"])


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_has_sides_rounded_up(family):
    model = ResidualNetwork(**FAMILIES[family]).build("tiny")
    for size in [(64, 64), (57, 43)]:
        shapes = model.compute_output_shape((1, *size, 3))
        sides = [shape[1:3] for shape in shapes]
        expected = [
            tuple(-(-side // stride) for side in size) for stride in (4, 8, 16, 32)
        ]
        if family == "legacy_seresnext" and size == (57, 43):
            # Caffe's pool leaves out what starts beyond the image.
            expected = [(14, 11), (7, 6), (4, 3), (2, 2)]
        assert sides == expected


@pytest.mark.parametrize("family", EVERY_FAMILY)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_trains_in_low_precision(family, policy):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        network = ResidualNetwork(**FAMILIES[family])
        model = network.build("tiny", image_size=64, include_top=True, num_classes=5)
    finally:
        keras.config.set_dtype_policy("float32")

    with tf.GradientTape() as tape:
        logits = model(IMAGES, training=True)
        loss = tf.reduce_mean(logits**2)
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])

    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_saves_and_loads(family, tmp_path):
    model = ResidualNetwork(**FAMILIES[family]).build("tiny", image_size=64)
    randomise(model)
    model.save(tmp_path / "tiny.keras")
    copy = keras.saving.load_model(tmp_path / "tiny.keras")
    for actual, expected in zip(copy(IMAGES), model(IMAGES), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_exports_with_builtin_operators_only(family, tmp_path):
    model = ResidualNetwork(**FAMILIES[family]).build(
        "tiny", image_size=64, include_top=True, num_classes=5
    )
    randomise(model)
    check_exports(model, IMAGES[:1], tmp_path)


def randomise(model):
    """Sets every weight to a nonzero value: zeros hide the layers before them."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if "kernel" not in weight.path:
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))


def _assert_close(actual, expected):
    expected = np.asarray(expected)
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())
