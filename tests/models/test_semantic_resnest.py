import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from kmlic.backbones import build_backbone
from kmlic.explain import activation_maps
from kmlic.layers import SemanticDeconvEmbedder
from kmlic.losses import PartialBinaryCrossentropy
from kmlic.models import JointModel, build_cam_generator, build_semantic_resnest

# The reference networks take pixels that are normalised.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not normalise")

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
LOSS = PartialBinaryCrossentropy()


def build_generator(num_labels=5, image_size=64, **options):
    keras.utils.set_random_seed(0)
    return build_cam_generator(
        num_labels,
        **{"backbone": _tiny(3, image_size), "image_size": image_size, **options},
    )


def build_small(**options):
    embedding = options.get("embedding_channels", 1)
    channels = 3 if options.get("share") == "stem" else 3 + embedding
    return build_semantic_resnest(
        5,
        **{
            "cam_generator": build_generator(),
            "backbone": _tiny(channels, 64, name="classifier"),
            "hidden_units": (6,),
            "image_size": 64,
            **options,
        },
    )


def test_the_generator_s_logits_are_the_means_of_its_maps():
    generator = build_generator()
    maps = activation_maps(generator, IMAGES)
    assert maps.shape == (2, 2, 2, 5)
    np.testing.assert_allclose(
        generator(IMAGES), maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5
    )


def test_the_generator_classifies_the_feature_map_asked_for():
    assert activation_maps(build_generator(feature_map=-2), IMAGES).shape[1:3] == (4, 4)
    fine = build_generator(feature_map=1)
    assert activation_maps(fine, IMAGES).shape[1:3] == (8, 8)
    assert fine.count_params() == (27 * 4) + (9 * 4 + 1) * (4 + 6) + (6 + 1) * 5
    with pytest.raises(ValueError, match=r"one of 4 feature maps.*feature_map=4"):
        build_generator(feature_map=4)


def test_the_classifier_sees_pixels_beside_the_embedded_maps():
    generator = build_generator()
    model = build_small(cam_generator=generator)
    embed = model.get_layer("semantic_embedding")
    assert isinstance(embed, SemanticDeconvEmbedder) and embed.steps == 5

    guided = keras.Model(model.input, model.get_layer("guided").output)(IMAGES)

    np.testing.assert_array_equal(guided[..., :3], IMAGES)
    expected = embed(activation_maps(generator, IMAGES))
    np.testing.assert_allclose(guided[..., 3:], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("feature_map", [-2, 0])
def test_doubles_the_maps_until_they_fill_the_image(feature_map):
    generator = build_generator(feature_map=feature_map)
    model = build_small(cam_generator=generator)
    assert model.get_layer("semantic_embedding").output.shape == (None, 64, 64, 1)


def test_gives_the_generator_s_maps():
    generator = build_generator()
    np.testing.assert_allclose(
        activation_maps(build_small(cam_generator=generator), IMAGES),
        activation_maps(generator, IMAGES),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("generator", "moves"),
    [
        ("frozen", False),
        pytest.param("trainable", True, marks=pytest.mark.slow),
        pytest.param("joint", True, marks=pytest.mark.slow),
    ],
)
def test_training_changes_the_generator_only_when_asked(generator, moves):
    given = build_generator()
    before = given.get_weights()
    model = build_small(cam_generator=given, generator=generator)
    inside = model.get_layer("generator").get_weights()
    model.compile(keras.optimizers.SGD(0.1), LOSS)
    model.fit(IMAGES, np.eye(5)[:2], epochs=2, verbose=0)

    changed = [
        not np.array_equal(old, new)
        for old, new in zip(
            inside, model.get_layer("generator").get_weights(), strict=True
        )
    ]
    assert any(changed) if moves else not any(changed)
    for old, new in zip(before, given.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_one_run_trains_both_parts_of_the_joint_model():
    model = build_small(generator="joint", generator_loss_weight=0.5)
    assert isinstance(model, JointModel)
    both = model(IMAGES, training=True)
    maps = activation_maps(model, IMAGES)
    assert both.shape == (2, 10)
    targets = np.array([[1, 0, 1, 0, -1], [0, 1, 0, 0, 1]], "float32")
    expected = LOSS(targets, both[:, :5]) + 0.5 * LOSS(targets, both[:, 5:])
    model.compile("sgd", LOSS)
    loss = model.train_on_batch(IMAGES, targets)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    np.testing.assert_allclose(both[:, 5:], maps.mean(axis=(1, 2)), rtol=1e-4)


def test_a_shared_stem_is_one_set_of_weights():
    apart = build_small(generator="joint")
    joined = build_small(generator="joint", share="stem")
    stem = joined.get_layer("stem")
    assert stem.count_params() == 3 * 3 * 3 * 4
    guide = joined.get_layer("guide").count_params()
    embeddings = [m.get_layer("semantic_embedding") for m in (apart, joined)]
    assert [each.steps for each in embeddings] == [5, 3]
    saved = embeddings[0].count_params() - embeddings[1].count_params()
    wider = 3 * 3 * 1 * 4  # the first kernel for the embedding's channel
    assert apart.count_params() - joined.count_params() == (
        stem.count_params() + saved + wider - guide
    )


def test_one_image_does_not_reach_the_other():
    model = build_small(generator="joint", share="stem")
    other = np.stack([IMAGES[0], 255 - IMAGES[1]])
    np.testing.assert_allclose(model(other)[0], model(IMAGES)[0], rtol=1e-4, atol=1e-5)


def test_gives_float32_logits_in_low_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build_semantic_resnest(
            5,
            cam_generator=build_cam_generator(
                5, backbone="small_resnet", image_size=64
            ),
            backbone="small_resnest",
            image_size=64,
            generator="joint",
        )
    finally:
        keras.config.set_dtype_policy("float32")
    logits = model(IMAGES)
    assert logits.dtype == "float32" and np.isfinite(logits).all()
    assert model.get_layer("guided").output.dtype == "float32"


def _parameters(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.slow
def test_has_as_many_weights_as_the_paper_s_shapes_need():
    generator = build_cam_generator(11)
    assert _parameters(generator) == 23_510_080 + 22_539
    for channels, without_hidden in ((1, 25_457_067), (3, 25_457_643)):
        model = build_semantic_resnest(
            11,
            cam_generator=generator,
            embedding_channels=channels,
            hidden_units=(),
        )
        embed = 7_788 + (4 * 4 * 11 + 1) * channels
        assert _parameters(model) == without_hidden + embed
        model.get_layer("generator").trainable = True
        assert _parameters(model) == without_hidden + embed + 23_532_619
    assert model.get_layer("activation_maps").output.shape == (None, 8, 8, 11)


@pytest.mark.slow
def test_the_paper_s_configuration_trains_within_the_memory_quoted():
    command = [sys.executable, "-m", "tests.benchmarks.semantic_resnest_memory", "8"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    peak = float(re.findall(r"([\d.]+) GB", result.stdout)[-1])
    assert result.stdout.count("step") == 2
    assert peak < 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_labels": 4}, r"same labels.*maps of 4, and num_labels=5"),
        ({"image_size": 32}, r"same size.*32 x 32 pixels, and image_size=64"),
    ],
)
def test_refuses_a_generator_for_other_labels_or_another_size(options, message):
    with pytest.raises(ValueError, match=message):
        build_small(cam_generator=build_generator(**options))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ((1 / 255, 0.0), r"computes \(0.00392157, .* the backbone \(0.00784314, "),
        (None, "computes nothing"),
    ],
)
def test_refuses_a_generator_with_another_normalisation(other, message):
    backbone = _tiny(3, 64, normalisation=other)
    with pytest.raises(ValueError, match=message):
        build_small(cam_generator=build_generator(backbone=backbone))


def test_refuses_what_is_no_generator():
    images = keras.Input((64, 64, 3))
    logits = layers.Dense(5)(layers.GlobalMaxPooling2D()(images))
    with pytest.raises(ValueError, match=r"'activation_maps'.*'other'"):
        build_small(cam_generator=keras.Model(images, logits, name="other"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding": "nearest"}, "embedding='nearest'"),
        ({"embedding": "resize", "embedding_channels": 3}, "embedding_channels=3"),
        ({"hidden_units": (8, 0)}, "hidden_units=0"),
        ({"generator": "half"}, "generator='half'"),
        ({"share": "stem"}, 'generator="frozen". Take generator="joint"'),
        ({"share": "all"}, "share='all'"),
        ({"generator_loss_weight": -1.0, "generator": "joint"}, "weight=-1.0"),
    ],
)
def test_says_which_argument_does_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        build_small(**options)


def test_says_that_the_stems_must_end_alike():
    with pytest.raises(ValueError, match=r"\(None, 16, 16, 6\) in the generator"):
        build_small(
            cam_generator=build_generator(backbone=_tiny(3, 64, width=6)),
            generator="joint",
            share="stem",
        )
    flat = layers.Conv2D(4, 2, strides=2)
    images = keras.Input((64, 64, 3))
    x = layers.Rescaling(1 / 127.5, -1.0)(images)
    with pytest.raises(ValueError, match=r"residual networks with a stem.*'flat'"):
        build_small(
            backbone=keras.Model(images, flat(x), name="flat"),
            generator="joint",
            share="stem",
        )


def test_says_which_size_cannot_be_doubled_to():
    images = keras.Input((64, 64, 3))
    x = layers.Conv2D(4, 3, strides=13)(layers.Rescaling(1 / 127.5, -1.0)(images))
    generator = build_generator(backbone=keras.Model(images, x))
    with pytest.raises(ValueError, match="maps of side 5 for a side of 64"):
        build_small(cam_generator=generator)


def test_starts_as_the_unguided_classifier_with_pretrained_weights(tmp_path):
    rgb = build_backbone("small_resnet", image_size=64)
    rgb.save_weights(tmp_path / "rgb.weights.h5")
    generator = build_cam_generator(5, backbone="small_resnet", image_size=64)
    for options in ({}, {"generator": "joint", "share": "stem"}):
        model = build_semantic_resnest(
            5,
            cam_generator=generator,
            backbone="small_resnet",
            weights=tmp_path / "rgb.weights.h5",
            image_size=64,
            **options,
        )
        features = keras.Model(model.input, model.get_layer("pool").input)(IMAGES)
        np.testing.assert_allclose(features, rgb(IMAGES)[-1], rtol=1e-3, atol=1e-3)


def _tiny(
    channels,
    image_size,
    name="tiny",
    width=4,
    normalisation=(1 / 127.5, -1.0),
):
    """A residual network's outline: normalise, a stem to `maxpool`, four maps."""
    images = x = keras.Input((image_size, image_size, channels))
    if normalisation:
        scale, offset = normalisation
        extra = channels - 3
        x = layers.Rescaling(
            [scale] * 3 + [1.0] * extra, [offset] * 3 + [0.0] * extra, name="normalise"
        )(x)
    x = layers.Conv2D(
        width, 3, strides=2, padding="same", use_bias=False, name="conv1"
    )(x)
    x = layers.MaxPooling2D(2, name="maxpool")(x)
    maps = []
    for stage, filters in enumerate((4, 6, 8, 10)):
        x = layers.Conv2D(
            filters, 3, strides=2 if stage else 1, padding="same", activation="tanh"
        )(x)
        maps.append(x)
    return keras.Model(images, maps, name=name)
