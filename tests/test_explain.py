import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kmlic.explain import activation_maps, map_places, overlay
from kmlic.layers import GroupedConv2D
from kmlic.models import (
    build_attribute_classifier,
    build_cam_generator,
    build_classifier,
    build_decouplenet,
    build_devise,
    build_msrn,
    build_semantic_resnest,
)

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


def build_guided(**options):
    small = {"backbone": "small_resnet", "image_size": 64}
    generator = build_cam_generator(5, **small)
    return build_semantic_resnest(
        5, cam_generator=generator, hidden_units=(8,), **small, **options
    )


# Each way a model of kmlic says where it sees its labels.
MODELS = {
    "average": lambda: build_classifier(5, backbone="small_resnet", image_size=64),
    "maximum": lambda: build_classifier(
        5, backbone="small_resnet", pooling="max", image_size=64
    ),
    "wildcat": lambda: build_classifier(
        5, backbone="small_resnet", pooling="wildcat", image_size=64
    ),
    "attributes": lambda: build_attribute_classifier(
        {"sleeve": ("long", "short"), "neck": ("round", "v", "none")},
        backbone="small_resnet",
        hidden_units=(8,),
        image_size=64,
    ),
    "attributes, mobilenet": lambda: build_attribute_classifier(
        {"sleeve": ("long", "short"), "neck": ("round", "v", "none")},
        backbone="mobilenet_v2",
        image_size=64,
    ),
    "attributes, pooled": lambda: build_attribute_classifier(
        {"sleeve": ("long", "short"), "neck": ("round", "v", "none")},
        backbone="small_resnet",
        feature="pooled",
        pooling="avg+max",
        image_size=64,
    ),
    "decouplenet": lambda: build_decouplenet(
        5, backbone="small_resnet", attention="both", maps_per_label=2, image_size=64
    ),
    "msrn": build_small_msrn,
    "generator": lambda: build_cam_generator(5, backbone="small_resnet", image_size=64),
    "guided": build_guided,
    "joint": lambda: build_guided(generator="joint"),
    "devise": lambda: build_devise(5, backbone="small_cnn", image_size=64),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_explains_every_model_with_one_map_per_label(name):
    keras.utils.set_random_seed(0)
    maps = activation_maps(MODELS[name](), IMAGES)
    assert maps.shape[0] == 3 and maps.shape[3] == 5
    assert maps.dtype == "float32" and np.isfinite(maps).all()
    assert (np.ptp(maps, axis=(1, 2)) > 0).any(axis=0).all()  # labels differ in place
    shown = overlay(IMAGES[0], maps[0, ..., 0], lowest=None)
    assert (shown != np.rint(IMAGES[0])).any()


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
    with pytest.raises(ValueError, match=r"'msrn'.*attend_2"):
        activation_maps(build_small_msrn(semantics="none"), IMAGES)
    with pytest.raises(ValueError, match="2 for 5 labels"):
        activation_maps(build_small_msrn(semantics="groups"), IMAGES)
    model = build_classifier(
        2, backbone="small_resnet", pooling="wildcat", image_size=64
    )
    with pytest.raises(ValueError, match=r"`score`.*'classifier'"):
        activation_maps(model, IMAGES, score=tf.identity)


def test_heats_an_image_where_its_map_is_high():
    image = RANDOM.integers(0, 256, (8, 6, 3))
    map = np.array([[-3.0, -1.0], [0.0, 2.0]])

    heated = overlay(image, map)

    assert heated.dtype == "uint8"
    np.testing.assert_array_equal(heated[:2, :], image[:2, :])
    expected = np.rint(image[7, 5] * 0.4 + 255 * 0.6)
    np.testing.assert_array_equal(heated[7, 5], expected)


def test_leaves_an_image_without_activation_as_it_is():
    image = RANDOM.integers(0, 256, (8, 8, 3))
    np.testing.assert_array_equal(overlay(image, -np.ones((2, 2))), image)


def test_shows_where_most_of_a_weak_map_is_when_asked():
    image = RANDOM.integers(0, 256, (8, 8, 3))
    map = np.array([[-3.0, -2.0], [-3.0, -1.0]])
    shown = overlay(image, map, lowest=None)
    np.testing.assert_array_equal(shown, overlay(image, map + 3))
    np.testing.assert_array_equal(shown[:, 0], image[:, 0])
    assert (shown[7, 7] != image[7, 7]).any()
    np.testing.assert_array_equal(overlay(image, -np.ones((2, 2)), lowest=None), image)


def test_compares_maps_on_one_scale():
    image = np.zeros((4, 4, 3))
    weak = overlay(image, np.full((1, 1), 0.5), highest=1.0)
    strong = overlay(image, np.full((1, 1), 1.0), highest=1.0)
    assert weak[0, 0].tolist() == [77, 38, 0]
    assert strong[0, 0].tolist() == [153, 153, 153]


def test_lays_a_map_where_its_places_look():
    image = np.zeros((1, 8, 3))
    map = np.array([[1.0, 0.0]])
    red = overlay(image, map, places=(np.array([0.5]), np.array([0.0, 0.5])))[0, :, 0]
    # The first place at the left edge, the second at the middle: nothing beyond.
    assert red[0] > red[1] > red[2] > red[3] > 0
    np.testing.assert_array_equal(red[4:], 0)
    assert (overlay(image, map)[0, :5, 0] > 0).all()
    with pytest.raises(ValueError, match="got 1 and 1 for maps of 1 x 2"):
        overlay(image, map, places=(np.array([0.5]), np.array([0.5])))


def test_says_which_map_does_not_fit():
    image = np.zeros((4, 4, 3))
    with pytest.raises(ValueError, match=r"\(4, 4, 2\)"):
        overlay(image, np.zeros((4, 4, 2)))
    with pytest.raises(ValueError, match="finite"):
        overlay(image, np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="strength=2"):
        overlay(image, np.zeros((2, 2)), strength=2)


def centre_of_sight(model, size, place):
    """Gives the middle of the pixels that a place of the maps depends on."""
    images = tf.Variable(tf.ones((1, size, size, 3)))
    with tf.GradientTape() as tape:
        seen = tf.reduce_sum(model(images)[:, place, place])
    gradient = np.abs(tape.gradient(seen, images).numpy()[0]).sum(axis=-1)
    rows, columns = np.nonzero(gradient)
    return [(each.min() + each.max() + 1) / 2 / size for each in (rows, columns)]


@pytest.mark.parametrize(
    "stack",
    [
        [layers.Conv2D(2, 3, 2, padding="same")] * 2,
        [layers.ZeroPadding2D(1), layers.Conv2D(2, 3, 2)] * 2,
        [layers.ZeroPadding2D(((0, 1), (2, 0))), layers.AveragePooling2D(2, 1)],
        [layers.Conv2D(2, (3, 5), dilation_rate=2, padding="same")],
        [layers.DepthwiseConv2D(4), layers.AveragePooling2D(2), layers.ReLU()],
        [GroupedConv2D(4, 5, groups=1, strides=2, padding="same")],
    ],
    ids=["keras", "torch", "uneven", "dilated", "valid", "grouped"],
)
def test_a_place_looks_at_the_middle_of_what_it_depends_on(stack):
    x = images = keras.Input((40, 40, 3))
    for layer in stack:
        config = {**layer.get_config(), "name": None}
        if hasattr(layer, "kernel_size"):
            kernel = "kernel" if hasattr(layer, "filters") else "depthwise"
            config[f"{kernel}_initializer"] = "ones"
        x = layer.__class__.from_config(config)(x)
    maps = layers.Identity(name="activation_maps")(x)
    model = keras.Model(images, maps)
    rows, columns = map_places(model)
    assert (len(rows), len(columns)) == maps.shape[1:3]
    place = 4
    expected = centre_of_sight(model, 40, place)
    assert [rows[place], columns[place]] == pytest.approx(expected)


@pytest.mark.parametrize("pooling", ["avg", "wildcat"])
def test_looks_through_the_backbone_at_the_places_of_each_kind_of_map(pooling):
    model = build_classifier(3, backbone="small_resnet", pooling=pooling, image_size=64)
    rows, columns = map_places(model)
    assert rows.tolist() == columns.tolist() == [0.5 / 64, 32.5 / 64]
    network = build_decouplenet(3, backbone="small_resnet", stride=2, image_size=64)
    assert map_places(network)[0].tolist() == rows.tolist()


def test_looks_through_a_sequential_part():
    images = keras.Input((32, 32, 3))
    stem = keras.Sequential([layers.Conv2D(2, 4, strides=4), layers.ReLU()])
    maps = layers.Identity(name="activation_maps")(stem(images))
    rows, _ = map_places(keras.Model(images, maps))
    np.testing.assert_allclose(rows, (np.arange(8) + 0.5) / 8)


def test_the_places_of_attention_are_those_of_its_finest_feature_map():
    adjacency = np.eye(6)
    model = build_msrn(
        RANDOM.normal(size=(6, 8)).astype("float32"),
        adjacency,
        backbone="small_resnet",
        num_groups=2,
        embedding_size=8,
        hidden_units=8,
        image_size=64,
    )
    maps = activation_maps(model, IMAGES)
    assert tuple(map(len, map_places(model))) == maps.shape[1:3]


def test_measures_that_a_kernel_looks_to_one_side():
    images = keras.Input((32, 32, 3))
    coarse = layers.AveragePooling2D(4)(images)
    looking = layers.Conv2D(
        3, 3, padding="same", use_bias=False, name="activation_maps"
    )
    model = keras.Model(images, looking(coarse))
    kernel = np.zeros((3, 3, 3, 3))
    kernel[0, 1, :, 0] = 1  # above
    kernel[1, 2, :, 1] = 1  # to the right; the third label's map is zero
    looking.kernel.assign(kernel)
    random = RANDOM.uniform(0, 255, (40, 32, 32, 3))

    (rows, columns), places = map_places(model, random), map_places(model)

    one = 1 / 8  # a place
    below, right = np.array([-one, 0, 0]), np.array([0, one, 0])
    np.testing.assert_allclose(rows, np.clip(places[0][:, None] + below, 0, 1))
    np.testing.assert_allclose(columns, np.clip(places[1][:, None] + right, 0, 1))


@pytest.mark.parametrize("kind", ["gradients", "attention"])
def test_measures_the_places_of_each_kind_of_map(kind):
    if kind == "gradients":
        model = build_classifier(5, backbone="small_resnet", image_size=64)
    else:
        model = build_small_msrn()
    rows, columns = map_places(model, IMAGES)
    height, width = activation_maps(model, IMAGES).shape[1:3]
    assert rows.shape == (height, 5) and columns.shape == (width, 5)
    assert np.isfinite(rows).all() and np.isfinite(columns).all()


def test_refuses_places_it_cannot_follow():
    images = keras.Input((8, 8, 3))
    resized = layers.Resizing(4, 4, name="activation_maps")(images)
    with pytest.raises(ValueError, match=r"images are \(8, 8\) and maps \(4, 4\)"):
        map_places(keras.Model(images, resized))
    with pytest.raises(ValueError, match=r"must have maps"):
        map_places(keras.Model(images, layers.Flatten()(images)))
