import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kmlic.backbones import (
    build_backbone,
    build_keras_hub,
    resolve_backbone,
    split_backbone,
)
from kmlic.data import read_resized
from kmlic.explain import activation_maps
from kmlic.export import (
    check_parity,
    export_onnx,
    export_openvino,
    export_saved_model,
    export_tflite,
)
from kmlic.models import build_classifier, build_csra, build_decouplenet, build_msrn
from tests.backbones.keras_hub_models import (
    FIXED,
    PATCH,
    PYRAMIDS,
    SIDE,
    TRANSFORMERS,
    build_hub_backbone,
)
from tests.checks import check_model
from tests.export.litert import foreign_operators
from tests.models.papers import LABELS

keras_hub = pytest.importorskip("keras_hub")
IMAGES = np.random.default_rng(0).uniform(0, 255, (2, SIDE, SIDE, 3)).astype("float32")
SCALE, OFFSET = [0.017, 0.018, 0.019], [-2.1, -2.0, -1.8]


def build(family, **options):
    keras.utils.set_random_seed(0)
    return build_keras_hub(build_hub_backbone(family), **options)


@pytest.mark.parametrize("family", PYRAMIDS)
def test_pyramids_return_four_maps_and_end_as_the_backbone(family):
    hub = build_hub_backbone(family)
    model = build_keras_hub(hub, image_size=SIDE, scale=SCALE, offset=OFFSET)
    sides = [shape[1:3] for shape in model.output_shape]
    assert sides == [(16, 16), (8, 8), (4, 4), (2, 2)]
    expected = hub(IMAGES * SCALE + OFFSET)
    if family == "hgnetv2":
        expected = expected["stage4"]
    np.testing.assert_allclose(model(IMAGES)[-1], expected, rtol=1e-4, atol=1e-5)


def tokens_of(family, hub, pixels):
    """The tokens of the patches, as keras-hub itself returns them."""
    if family == "siglip":
        hub = hub.vision_encoder
        return keras.Model(hub.input, hub.post_layer_norm.output)({"images": pixels})
    if family == "clip":
        return hub.vision_encoder({"images": pixels})[:, 1:]
    if isinstance(hub.input, dict):
        pixels = dict.fromkeys(hub.input, pixels)
    prefix = {"vit": 1, "dinov2": 4, "dinov3": 5}[family]
    return hub(pixels)[:, prefix:]


@pytest.mark.parametrize("family", TRANSFORMERS)
def test_transformers_return_their_patches_row_by_row(family):
    hub = build_hub_backbone(family)
    model = build_keras_hub(hub, scale=SCALE, offset=OFFSET)
    assert [shape[1:] for shape in model.output_shape] == [(4, 4, 16)] * 4
    expected = tokens_of(family, hub, IMAGES * SCALE + OFFSET)
    expected = np.reshape(expected, (2, 4, 4, 16))
    maps = model(IMAGES)
    np.testing.assert_allclose(maps[-1], expected, rtol=1e-4, atol=1e-5)
    assert np.abs(maps[0] - maps[1]).max() > 1e-3
    changed = IMAGES.copy()
    changed[:, PATCH : 2 * PATCH, 3 * PATCH :] = 0
    difference = np.abs(model(changed)[0] - maps[0]).sum(axis=(0, 3))
    assert np.unravel_index(difference.argmax(), (4, 4)) == (1, 3)


@pytest.mark.parametrize("family", ["vit", "dinov3"])
def test_rectangular_images_have_rectangular_maps(family):
    hub = build_hub_backbone(family, image_shape=(2 * PATCH, 3 * PATCH, 3))
    model = build_keras_hub(hub)
    assert model.input_shape == (None, 32, 48, 3)
    pixels = IMAGES[:, :32, :48] / 255
    expected = np.reshape(tokens_of(family, hub, pixels), (2, 2, 3, 16))
    np.testing.assert_allclose(model(pixels)[-1], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", [*PYRAMIDS, "dinov2", "dinov3"])
def test_other_sizes_keep_the_weights(family):
    hub = build_hub_backbone(family)
    larger = build_keras_hub(hub, image_size=96)
    assert larger.input_shape[1:3] == (96, 96)
    for mine, theirs in zip(larger.weights, build_keras_hub(hub).weights, strict=True):
        if "interpolated" not in mine.path:
            np.testing.assert_array_equal(mine, theirs)


def test_dinov2s_position_embeddings_are_interpolated():
    hub = build_hub_backbone("dinov2")
    larger = build_keras_hub(hub, image_size=96)
    found = larger.get_layer("patches").layers[1]
    grid = np.asarray(hub.embeddings.position_embeddings)[:, 1:].reshape(1, 4, 4, 16)
    expected = tf.image.resize(grid, (6, 6), "bicubic")
    np.testing.assert_allclose(
        np.asarray(found.interpolated_position_embeddings)[:, 1:],
        np.reshape(expected, (1, 36, 16)),
        atol=1e-5,
    )


@pytest.mark.parametrize("family", FIXED)
def test_position_embeddings_of_one_size_refuse_others(family):
    with pytest.raises(ValueError, match=r"64 x 64; got image_size=96"):
        build(family, image_size=96)


@pytest.mark.parametrize(
    ("family", "size", "rule"),
    [
        ("dinov3", 72, "multiple of 16.* got 72. Take 64 or 80"),
        ("dinov2", 8, "multiple of 16.* got 8. Take 16 or 32"),
        ("mit", 80, "multiple of 32.* got 80. Take 64 or 96"),
    ],
)
def test_sides_that_patches_do_not_divide_are_refused(family, size, rule):
    with pytest.raises(ValueError, match=rule):
        build(family, image_size=size)


def test_other_families_are_refused():
    vgg = keras_hub.models.VGGBackbone([1] * 5, [8] * 5)
    with pytest.raises(ValueError, match=r"one of 'ResNet', .*got .*'VGG'"):
        build_keras_hub(vgg)


@pytest.fixture
def preset(tmp_path):
    """A folder as keras-hub writes it, with another normalisation than ImageNet's."""
    keras.utils.set_random_seed(0)
    hub = build_hub_backbone("resnet")
    hub.save_to_preset(tmp_path / "preset")
    converter = keras_hub.layers.ResNetImageConverter(
        image_size=(SIDE, SIDE),
        scale=SCALE,
        offset=OFFSET,
        crop_to_aspect_ratio=False,
    )
    converter.save_to_preset(tmp_path / "preset")
    return tmp_path / "preset"


def test_a_preset_gives_the_features_of_keras_hubs_own_pipeline(preset, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    path = tmp_path / "photo.jpg"
    Image.fromarray(noise).resize((100, 90), Image.Resampling.BICUBIC).save(path)
    content = tf.io.read_file(str(path))
    decoded = tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE")
    hub = keras_hub.models.Backbone.from_preset(str(preset))
    converter = keras_hub.layers.ImageConverter.from_preset(str(preset))
    # Of uint8 it rounds to whole numbers again after resizing.
    expected = hub(converter(tf.cast(decoded, "float32")[None]))

    model = build_backbone(f"keras_hub:{preset}", image_size=SIDE)
    found = model(read_resized(path, SIDE)[None])[-1]

    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() < 1e-4 * scale


def test_a_preset_must_say_how_pixels_are_normalised(preset):
    (preset / "image_converter.json").unlink()
    with pytest.raises(ValueError, match="says how pixels are normalised"):
        build_backbone(f"keras_hub:{preset}")


def test_an_unknown_preset_is_one_sentence():
    with pytest.raises(ValueError, match="there is none called resnet_7_imagenet"):
        build_backbone("keras_hub:resnet_7_imagenet")


def test_a_preset_has_its_weights_and_no_classifier(preset):
    for option in ({"weights": "imagenet"}, {"include_top": True}, {"channels": 4}):
        with pytest.raises(ValueError, match="has weights and no classifier"):
            build_backbone(f"keras_hub:{preset}", **option)


@pytest.mark.parametrize("family", [*PYRAMIDS, *TRANSFORMERS])
def test_a_backbone_given_as_a_model_is_warned_about(family):
    hub = build_hub_backbone(family)
    with pytest.warns(UserWarning, match="does not normalise.*0-255"):
        resolved = resolve_backbone(hub, image_size=SIDE)
    assert len(resolved.outputs) == 4
    scaled = build_keras_hub(hub, image_size=SIDE, scale=1 / 255)
    assert resolve_backbone(scaled) is scaled


@pytest.mark.parametrize(
    ("family", "at"),
    [
        ("resnet", "stack1_block0_out"),
        ("vit", "transformer_block_2"),
        ("dinov2", "layers_1"),
        ("dinov3", "layers_1"),
        ("siglip", "encoder_block_1"),
        ("clip", "encoder_block_1"),
    ],
)
def test_is_split_by_depth(family, at):
    model = build(family, image_size=SIDE, scale=1 / 255)
    lower, upper = split_backbone(model, at)
    expected = model(IMAGES)[-1]
    found = keras.tree.flatten(upper(lower(IMAGES)))[-1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    names = [layer.name for layer in upper.layers]
    assert at not in names and at in [
        layer.name for model in lower.layers for layer in getattr(model, "layers", ())
    ]


def test_dinov3s_positions_are_computed_once():
    hub = build_hub_backbone("dinov3")
    calls = []
    call = hub.rope_embedding.call
    hub.rope_embedding.call = lambda images: calls.append(0) or call(images)
    model = build_keras_hub(hub, image_size=SIDE, scale=1 / 255)
    model(IMAGES)
    assert len(calls) == 1
    patches = model.get_layer("patches")
    assert [layer.name for layer in patches.layers].count("positions") == 1


HEADS = {
    "msrn": lambda backbone: build_msrn(
        np.random.default_rng(0).normal(size=(5, 8)),
        np.eye(5),
        backbone=backbone,
        num_groups=2,
        embedding_size=16,
        hidden_units=16,
        image_size=SIDE,
    ),
    "decouplenet": lambda backbone: build_decouplenet(
        5, backbone=backbone, maps_per_label=2, image_size=SIDE
    ),
    "csra": lambda backbone: build_csra(5, backbone=backbone, image_size=SIDE),
    "max": lambda backbone: build_classifier(
        5, backbone=backbone, pooling="max", image_size=SIDE
    ),
}


@pytest.mark.parametrize("family", ["vit", "dinov3", "siglip"])
@pytest.mark.parametrize("head", HEADS)
def test_every_head_stands_on_a_transformer(family, head):
    model = HEADS[head](build(family, scale=1 / 127.5, offset=-1))
    check_model(model, IMAGES, 5)
    assert activation_maps(model, IMAGES).shape[0] == 2


@pytest.mark.slow
@pytest.mark.parametrize("family", ["vit", "dinov2", "dinov3", "siglip", "clip"])
@pytest.mark.parametrize("head", ["msrn", "decouplenet", "csra"])
def test_every_format_of_a_transformer_agrees_with_it(family, head, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(IMAGES[0].astype("uint8")).save(path)
    model = HEADS[head](build(family, scale=1 / 127.5, offset=-1))
    tflite = export_tflite(model, tmp_path / "model.tflite", labels=LABELS)
    assert foreign_operators(tflite.read_bytes()) == []
    for exported in (
        tflite,
        export_saved_model(model, tmp_path / "export", labels=LABELS),
        export_onnx(model, tmp_path / "model.onnx", labels=LABELS),
        export_openvino(model, tmp_path / "openvino", labels=LABELS),
    ):
        check_parity(model, exported, [path], tolerance=1e-4)
