import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kmlic.explain import NoMapsError, activation_maps, overlay
from kmlic.models import (
    ACTIVATION_MAPS,
    ATTENTION,
    POOL,
    average_models,
    build_attribute_classifier,
    build_classifier,
    build_msrn,
)
from tests.models import papers

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (3, 64, 64, 3)).astype("float32")


def build_linear(pool):
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="features")(images)
    x = pool(name="pool")(x)
    return keras.Model(images, layers.Dense(5, name="logits")(x))


@pytest.mark.parametrize(
    "pool", [layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D]
)
def test_gives_the_class_activation_maps_of_a_linear_head(pool):
    keras.utils.set_random_seed(0)
    model = build_linear(pool)
    images = RANDOM.normal(size=(2, 8, 8, 3)).astype("float32")

    maps = activation_maps(model, images)

    features = keras.Model(model.input, model.get_layer("features").output)(images)
    expected = np.asarray(features) @ model.get_layer("logits").kernel.numpy()
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)


def test_weights_features_by_the_gradients_of_what_is_not_linear():
    keras.utils.set_random_seed(0)
    images = keras.Input((4, 4, 3))
    x = layers.Activation("relu", name="features")(images)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    hidden = layers.Dense(6, activation="tanh", name="hidden")
    last = layers.Dense(2, name="logits")
    model = keras.Model(images, last(hidden(x)))
    pixels = RANDOM.uniform(0, 1, (2, 4, 4, 3)).astype("float32")

    maps = activation_maps(model, pixels)

    slope = 1 - np.tanh(pixels.mean(axis=(1, 2)) @ hidden.kernel.numpy()) ** 2
    weights = np.einsum("ch,bh,hl->bcl", hidden.kernel, slope, last.kernel)
    expected = np.einsum("bhwc,bcl->bhwl", pixels, weights)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)


def test_gives_the_maps_that_a_model_has():
    keras.utils.set_random_seed(0)
    model = build_classifier(
        5,
        backbone="small_resnet",
        pooling="wildcat",
        image_size=64,
        maps_per_label=2,
        kmax=1,
        kmin=0,
    )
    maps = activation_maps(model, IMAGES)
    assert maps.shape == (3, 2, 2, 5)
    np.testing.assert_allclose(maps.max(axis=(1, 2)), model(IMAGES), rtol=1e-5)


def build_small_msrn(**options):
    return build_msrn(
        RANDOM.normal(size=(5, 12)),
        np.eye(5),
        backbone="small_resnet",
        num_groups=2,
        embedding_size=8,
        hidden_units=16,
        image_size=64,
        **options,
    )


def test_averages_the_attention_of_all_branches():
    model = build_small_msrn()
    branches = [model.get_layer(f"attend_{stage}") for stage in (2, 3, 4)]
    probe = keras.Model(model.input, [branch.input for branch in branches])
    parts = [
        branch.attention(*inputs)[..., :5]
        for branch, inputs in zip(branches, probe(IMAGES), strict=True)
    ]

    maps = activation_maps(model, IMAGES)

    assert [part.shape[1] for part in parts] == [4, 2, 1]
    assert maps.shape == (3, 4, 4, 5)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1.0, rtol=1e-4)
    resized = [tf.image.resize(p, (4, 4)) * (p.shape[1] / 4) ** 2 for p in parts]
    np.testing.assert_allclose(maps, np.mean(resized, axis=0), rtol=1e-4)


def test_looks_for_the_pool_inside_a_backbone_with_a_classifier():
    keras.utils.set_random_seed(0)
    inner = build_linear(layers.GlobalAveragePooling2D)
    images = keras.Input((8, 8, 3))
    head = layers.Dense(2, name="head")
    model = keras.Model(images, head(inner(layers.Rescaling(0.5)(images))))
    pixels = RANDOM.normal(size=(2, 8, 8, 3)).astype("float32")

    maps = activation_maps(model, pixels)

    expected = activation_maps(inner, 0.5 * pixels) @ head.kernel.numpy()
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)


def test_explains_the_nearest_word_of_an_embedding():
    keras.utils.set_random_seed(0)
    model = build_linear(layers.GlobalAveragePooling2D)
    words = RANDOM.normal(size=(7, 5)).astype("float32")
    images = RANDOM.normal(size=(2, 8, 8, 3)).astype("float32")

    maps = activation_maps(
        model,
        images,
        score=lambda x: tf.reduce_max(x @ words.T, axis=-1, keepdims=True),
    )

    every_word = activation_maps(model, images, score=lambda x: x @ words.T)
    nearest = (model(images).numpy() @ words.T).argmax(axis=-1)
    assert maps.shape == (2, 4, 4, 1)
    expected = [every_word[i, ..., n] for i, n in enumerate(nearest)]
    np.testing.assert_allclose(maps[..., 0], expected, rtol=1e-4, atol=1e-5)


def build_attributes(**options):
    groups = {"sleeve": ("long", "short"), "neck": ("round", "v", "none")}
    return build_attribute_classifier(groups, image_size=64, **options)


# Each way a model says where it sees its labels: those of the papers that promise maps,
# and models that end in the classifier of their backbone.
MODELS = {
    **{
        name: model.build
        for name, model in papers.MODELS.items()
        if {ACTIVATION_MAPS, ATTENTION, POOL} & set(model.promises)
    },
    "pool of the backbone": lambda: build_attributes(
        backbone="small_resnet", hidden_units=(8,)
    ),
    "pool of mobilenet": lambda: build_attributes(backbone="mobilenet_v2"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_explains_every_model_with_one_map_per_label(name):
    keras.utils.set_random_seed(0)
    maps = activation_maps(MODELS[name](), IMAGES)
    outputs = papers.MODELS[name].outputs if name in papers.MODELS else 5
    assert maps.shape[0] == 3 and maps.shape[3] == outputs
    assert maps.dtype == "float32" and np.isfinite(maps).all()
    if maps.shape[1:3] == (1, 1):
        np.testing.assert_allclose(maps, 1, rtol=1e-5)  # attention to the only region
        return
    assert (np.ptp(maps, axis=(1, 2)) > 0).any(axis=0).all()
    shown = overlay(IMAGES[0], maps[0, ..., 0], lowest=None)
    assert (shown != np.rint(IMAGES[0])).any()


def test_explains_the_model_that_sees_several_views_of_an_image():
    inner = build_classifier(3, backbone="small_resnet", image_size=64)
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3))
    model = average_models([inner], flips=True)
    expected = activation_maps(inner, images)
    np.testing.assert_allclose(activation_maps(model, images), expected, atol=1e-4)


def test_explains_logits_that_depend_on_a_part_of_the_image_too():
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    features = layers.Conv2D(4, 3, strides=2, padding="same")
    seen = layers.Identity()(features(images))
    pooled = layers.GlobalAveragePooling2D(name="pool")(seen)
    part = layers.GlobalMaxPooling2D(name="other")(features(images[:, 2:6, 2:6]))
    dense = layers.Dense(5, name="logits")
    model = keras.Model(images, dense(layers.Concatenate()([part, pooled])))
    pixels = RANDOM.normal(size=(2, 8, 8, 3)).astype("float32")
    maps = activation_maps(model, pixels)
    expected = np.asarray(features(pixels)) @ dense.kernel.numpy()[4:]
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)


def test_does_not_depend_on_the_batches():
    keras.utils.set_random_seed(0)
    model = build_classifier(2, backbone="small_resnet", image_size=64)
    np.testing.assert_allclose(
        activation_maps(model, IMAGES, batch_size=2),
        activation_maps(model, IMAGES),
        rtol=1e-4,
        atol=1e-5,
    )


def test_survives_the_file_and_low_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_classifier(2, backbone="small_resnet", image_size=64)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    maps = activation_maps(copy, IMAGES)
    assert maps.dtype == "float32"
    np.testing.assert_allclose(maps, activation_maps(model, IMAGES), atol=1e-2)


def test_says_what_a_model_lacks():
    with pytest.raises(NoMapsError, match=r"'msrn'.*attend_2"):
        activation_maps(build_small_msrn(semantics="none"), IMAGES)
    with pytest.raises(NoMapsError, match="2 for 5 labels"):
        activation_maps(build_small_msrn(semantics="groups"), IMAGES)
    images = keras.Input((8, 8, 3))
    extract = keras.Model(images, layers.GlobalAveragePooling2D(name=POOL)(images))
    views = [extract(images), extract(keras.ops.flip(images, axis=2))]
    twice = keras.Model(images, layers.Dense(5)(layers.Concatenate()(views)))
    with pytest.raises(NoMapsError, match="once; it is called 2 times"):
        activation_maps(twice, IMAGES)
    model = build_classifier(
        2, backbone="small_resnet", pooling="wildcat", image_size=64
    )
    with pytest.raises(ValueError, match=r"`score`.*'classifier'"):
        activation_maps(model, IMAGES, score=tf.identity)


def test_explains_logits_that_depend_on_pools_of_two_depths():
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    upper = layers.Conv2D(4, 3, strides=2, padding="same", name="features")(images)
    pooled = [
        layers.GlobalAveragePooling2D(name="pool")(upper),
        layers.GlobalAveragePooling2D(name="pool_2")(images),
    ]
    head = layers.Dense(2, name="head")
    model = keras.Model(images, head(layers.Concatenate()(pooled)))
    pixels = RANDOM.normal(size=(2, 8, 8, 3)).astype("float32")
    features = keras.Model(images, upper)(pixels).numpy()
    expected = features @ head.kernel.numpy()[:4]
    np.testing.assert_allclose(
        activation_maps(model, pixels), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("flips", [False, True])
def test_an_average_of_models_has_the_maps_of_the_first(flips):
    members = [build_linear(layers.GlobalAveragePooling2D) for _ in range(2)]
    average = average_models(members, flips=flips)
    images = RANDOM.normal(size=(2, 8, 8, 3)).astype("float32")
    found = activation_maps(average, images)
    np.testing.assert_allclose(found, activation_maps(members[0], images), rtol=1e-5)


def test_a_model_behind_another_one_counts():
    member = build_linear(layers.GlobalAveragePooling2D)
    logits = keras.Input(member.output_shape[1:])
    last = layers.Dense(member.output_shape[-1])
    behind = keras.Model(logits, last(logits))
    model = keras.Model(member.input, behind(member(member.input)))
    pixels = RANDOM.normal(size=(2, 8, 8, 3)).astype("float32")
    expected = activation_maps(member, pixels) @ last.kernel.numpy()
    np.testing.assert_allclose(activation_maps(model, pixels), expected, rtol=1e-3)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("flips", ["none", "of members", "of the average"])
def test_members_on_a_trunk_have_the_maps_of_the_first(count, flips):
    shared = keras.Input((4, 4, 4))
    trunk_input = keras.Input((8, 8, 3))
    convolution = layers.Conv2D(4, 3, strides=2, padding="same")
    trunk = keras.Model(trunk_input, convolution(trunk_input), name="lower")
    dense = [layers.Dense(5) for _ in range(count)]
    heads = [
        keras.Model(shared, own(layers.GlobalAveragePooling2D(name=POOL)(shared)))
        for own in dense
    ]
    model = average_models(heads, trunk=trunk, flips=flips == "of members")
    if flips == "of the average":  # as `kmlic train` nests them
        model = average_models([model], flips=True)
    pixels = RANDOM.normal(size=(2, 8, 8, 3)).astype("float32")
    expected = np.asarray(convolution(pixels)) @ dense[0].kernel.numpy()
    np.testing.assert_allclose(
        activation_maps(model, pixels), expected, rtol=1e-4, atol=1e-5
    )


def test_two_heads_on_one_backbone_are_explained_together():
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="features")(images)
    logits = [
        layers.Dense(5)(
            layers.GlobalAveragePooling2D()(layers.Identity(name=f"{prefix}{POOL}")(x))
        )
        for prefix in ("", "b_")
    ]
    model = keras.Model(images, layers.Average()(logits))
    pixels = RANDOM.normal(size=(2, 8, 8, 3)).astype("float32")
    features = keras.Model(images, x)(pixels)
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "units")]
    expected = np.asarray(features) @ np.mean([np.asarray(k) for k in kernels], axis=0)
    found = activation_maps(model, pixels)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
