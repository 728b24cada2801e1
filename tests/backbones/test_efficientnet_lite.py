import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.backbones import build_backbone, freeze_batch_norm, split_backbone
from kmlic.backbones.efficientnet_lite import EfficientNetLite
from tests.backbones.exports import check_exports
from tests.backbones.test_residual_network import randomise
from tests.checks import check_model
from tests.shared import shared_path

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
TINY = EfficientNetLite(width=0.25, depth=0.3)


@pytest.fixture(scope="module")
def backbone():
    return build_backbone("efficientnet_lite0", weights="imagenet")


@pytest.mark.parametrize("size", [64, 128])
def test_matches_the_reference_on_its_packaged_weights(backbone, size):
    arrays = np.load(shared_path("parity/efficientnet_lite0.npz"))
    images = arrays[f"x{size}"]
    features = arrays[f"features{size}_nchw"].transpose(0, 2, 3, 1)
    logits = arrays[f"logits{size}"]
    classifier = build_backbone(
        "efficientnet_lite0", weights="imagenet", include_top=True
    )

    # Of the largest value, as the reference's own sums differ in the last digits.
    for actual, expected in (
        (backbone(images)[-1], features),
        (classifier(images), logits),
    ):
        error = np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max()
        assert error < 1e-4


@pytest.mark.parametrize(
    ("name", "trainable", "statistics"),
    [
        ("efficientnet_lite0", 4_652_008, 42_016),
        pytest.param("efficientnet_lite2", 6_092_072, 58_096, marks=pytest.mark.slow),
    ],
)
def test_has_as_many_parameters_as_published(name, trainable, statistics):
    model = build_backbone(name, include_top=True)
    assert _count(model.trainable_weights) == trainable
    assert _count(model.non_trainable_weights) == statistics


def _count(weights):
    return sum(np.prod(weight.shape) for weight in weights)


@pytest.mark.slow
def test_lite2_recognises_what_lite0_does():
    """Compares photos, as there are no reference arrays of lite2."""
    folder = shared_path("data/coco_subset/images")
    photos = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))[:40]]
    logits = {}
    for name, size in (("efficientnet_lite0", 224), ("efficientnet_lite2", 260)):
        images = [
            tf.image.resize(tf.image.decode_jpeg(photo, channels=3), (size, size))
            for photo in photos
        ]
        model = build_backbone(name, weights="imagenet", include_top=True)
        logits[name] = np.asarray(model(np.stack(images)))
    first = logits["efficientnet_lite0"].argmax(axis=1)
    five = np.argsort(logits["efficientnet_lite2"])[:, -5:]
    agree = np.mean([label in row for label, row in zip(first, five, strict=True)])
    assert agree > 0.7  # of 1,000 classes


def test_normalises_pixels_inside(backbone):
    normalised = backbone.get_layer("normalise")(IMAGES)
    np.testing.assert_allclose(normalised, (IMAGES - 127) / 128, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (57, 43), (33, 100)])
def test_takes_images_of_any_size_and_pads_as_tensorflow_does(backbone, size):
    shapes = backbone.compute_output_shape((1, *size, 3))
    expected = [tuple(-(-side // stride) for side in size) for stride in (4, 8, 16, 32)]
    assert [shape[1:3] for shape in shapes] == expected
    assert [shape[3] for shape in shapes] == [144, 240, 672, 1280]

    images = IMAGES[:1, : size[0], : size[1]]
    images = np.resize(images, (1, *size, 3))
    kernel = backbone.get_layer("conv_stem").kernel
    stem = keras.Model(backbone.input, backbone.get_layer("conv_stem").output)
    np.testing.assert_allclose(
        stem(images),
        tf.nn.conv2d((images - 127) / 128, kernel, 2, "SAME"),
        rtol=1e-4,
        atol=1e-4,
    )


def test_keeps_the_model_contract():
    keras.utils.set_random_seed(0)
    model = TINY.build("tiny", image_size=64, include_top=True, num_classes=5)
    check_model(model, IMAGES, num_labels=5, promises=())


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_trains_in_low_precision(policy):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        model = TINY.build("tiny", image_size=64, include_top=True, num_classes=5)
    finally:
        keras.config.set_dtype_policy("float32")

    with tf.GradientTape() as tape:
        logits = model(IMAGES, training=True)
        loss = tf.reduce_mean(logits**2)
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])

    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_is_close_to_float32_in_bfloat16(backbone):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        low = build_backbone("efficientnet_lite0", weights="imagenet")
    finally:
        keras.config.set_dtype_policy("float32")
    images = np.load(shared_path("parity/efficientnet_lite0.npz"))["x64"]
    actual = np.asarray(keras.ops.cast(low(images)[-1], "float32"))
    expected = np.asarray(backbone(images)[-1])
    correlation = np.corrcoef(actual.ravel(), expected.ravel())[0, 1]
    assert correlation > 0.99


@pytest.mark.parametrize(
    ("at", "above"), [("blocks.10.add", 2), ("blocks.4.add", 3), ("act0", 4)]
)
def test_splits_by_depth(backbone, at, above):
    lower, upper = split_backbone(backbone, at)
    found = keras.tree.flatten(upper(lower(IMAGES)))
    assert len(found) == above
    for one, other in zip(found, backbone(IMAGES)[-above:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    lower.trainable = False
    assert 0 < len(upper.trainable_weights) < 148


def test_batch_norm_freezes():
    model = build_backbone("efficientnet_lite0", weights="imagenet")
    assert freeze_batch_norm(model) == 49
    np.testing.assert_allclose(
        model(IMAGES, training=True)[-1], model(IMAGES)[-1], rtol=1e-4, atol=1e-5
    )


def test_saves_and_loads(tmp_path):
    model = TINY.build("tiny", image_size=64)
    randomise(model)
    model.save(tmp_path / "tiny.keras")
    copy = keras.saving.load_model(tmp_path / "tiny.keras")
    for actual, expected in zip(copy(IMAGES), model(IMAGES), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_exports_with_builtin_operators_only(tmp_path):
    model = build_backbone(
        "efficientnet_lite0", image_size=64, weights="imagenet", include_top=True
    )
    check_exports(model, IMAGES[:1], tmp_path)


def test_starts_as_the_pretrained_network_with_more_channels(backbone):
    wider = build_backbone("efficientnet_lite0", weights="imagenet", channels=4)
    images = np.concatenate([IMAGES, IMAGES[..., :1]], axis=-1)
    np.testing.assert_allclose(
        wider(images)[-1], backbone(IMAGES)[-1], rtol=1e-3, atol=1e-4
    )
