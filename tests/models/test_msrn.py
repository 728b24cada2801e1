import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kmlic.models import build_msrn
from tests.shared import shared_path

# The reference networks take pixels that are normalised.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not normalise")

RANDOM = np.random.default_rng(0)
WORDS = RANDOM.normal(size=(5, 20)).astype("float32")
GRAPH = np.eye(5) + np.eye(5, k=1)
IMAGES = RANDOM.uniform(0, 255, size=(2, 64, 64, 3)).astype("float32")


def build_small(**changes):
    arguments = {
        "word_vectors": WORDS,
        "adjacency": GRAPH,
        "backbone": _small_backbone(),
        "num_groups": 2,
        "embedding_size": 8,
        "hidden_units": 16,
        "label_units": 10,
        "graph_units": 12,
        "image_size": 64,
    }
    return build_msrn(**{**arguments, **changes})


def test_every_random_weight_follows_the_seed():
    def kernels(seed):
        keras.utils.set_random_seed(seed)
        own = build_small().weights
        return [(each.path, each.numpy()) for each in own if "kernel" in each.path]

    first, again, other = kernels(0), kernels(0), kernels(1)
    assert len(first) > 10
    for (path, kernel), (_, same), (_, different) in zip(
        first, again, other, strict=True
    ):
        np.testing.assert_array_equal(kernel, same, err_msg=path)
        assert (kernel != different).any(), path


@pytest.fixture(scope="module")
def reference():
    with np.load(shared_path("parity/msrn.npz"), allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def twin(reference):
    """MSRN at the reference's widths and with its weights; which weight is which."""
    model = build_msrn(
        reference["in/glove"],
        reference["graph/adj"],
        backbone=_reference_backbone(),
        num_groups=2,
        embedding_size=16,
        hidden_units=32,
        label_units=10,
        graph_units=12,
        group_loss="norm",
        group_loss_weight=1e-4,
        image_size=128,
    )
    keys = _reference_keys(model)
    for weight, key, part in keys:
        weight.assign(_to_keras(weight, reference[f"w/{key}"], part))
    return model, keys


def test_has_every_weight_that_the_reference_uses(reference, twin):
    model, keys = twin
    constants = {"word_vectors/value", "adjacency/value"}
    assert {w.path for w in model.weights} - {w.path for w, *_ in keys} == constants
    used = {key for _, key, _ in keys}
    dead = ("num_batches_tracked", "w/W", "w/B", "conv_buffer0")
    unused = {k for k in reference if k.startswith("w/") and k[2:] not in used}
    assert all(any(part in key for part in dead) for key in unused)


def test_gives_the_reference_s_activations(reference, twin):
    model, _ = twin
    images = reference["in/image_nchw"].transpose(0, 2, 3, 1)
    names = {
        "act/proj0": "project_2",
        "act/proj1": "project_3",
        "act/proj2": "project_4",
        "act/fc1_in_tanh": "flatten",
        "out/logits": "logits",
    }
    outputs = [model.get_layer(name).output for name in names.values()]
    embeddings = model.get_layer("label_group_embedding").output
    actual = keras.Model(model.input, [*outputs, embeddings])(images)
    for key, output in zip(names, actual, strict=False):
        expected = reference[key]
        if expected.ndim == 4:
            expected = expected.transpose(0, 2, 3, 1)
        _assert_equal(output, expected, key)
    expected = np.concatenate([reference["act/label_embed"], reference["act/group.0"]])
    _assert_equal(actual[-1], expected, "embeddings")


def test_gives_the_reference_s_losses_and_every_gradient(reference, twin):
    model, keys = twin
    images = reference["in/image_nchw"].transpose(0, 2, 3, 1)
    with tf.GradientTape() as tape:
        logits = model(images, training=False)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)(
            reference["in/target"], logits
        )
        (group_loss,) = model.losses
        total = loss + group_loss
    variables = [weight for weight, *_ in keys if weight.trainable]
    gradients = tape.gradient(total, [weight.value for weight in variables])
    _assert_equal(loss, reference["out/bce"], "bce")
    _assert_equal(group_loss, reference["out/group_loss"], "group loss")

    expected = {w.path: (key, part) for w, key, part in keys}
    checked = set()
    for weight, gradient in zip(variables, gradients, strict=True):
        key, part = expected[weight.path]
        checked.add(f"grad/{key}")
        _assert_equal(
            gradient, _to_keras(weight, reference[f"grad/{key}"], part), weight.path
        )
    assert checked == {key for key in reference if key.startswith("grad/")}


def test_an_image_never_affects_another():
    model = build_small()
    changed = IMAGES.copy()
    changed[1] = 255 - changed[1]
    np.testing.assert_allclose(
        model(changed)[0], model(IMAGES)[0], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("semantics", "width"),
    [("labels+groups", 7 * 24), ("labels", 5 * 24), ("groups", 2 * 24), ("none", 24)],
)
def test_classifies_what_the_semantics_gather(semantics, width):
    model = build_small(semantics=semantics)
    assert model.get_layer("hidden").input.shape == (None, width)
    names = {layer.name for layer in model.layers}
    assert ("label_group_embedding" in names) == (semantics != "none")
    model(IMAGES)
    assert len(model.losses) == ("groups" in semantics)


@pytest.mark.parametrize(
    ("branches", "stages", "buffered"),
    [
        (1, {4}, set()),
        (2, {3, 4}, {3}),
        (3, {2, 3, 4}, {2, 3}),
        (4, {1, 2, 3, 4}, {1, 2, 3}),
    ],
)
def test_takes_the_deepest_branches(branches, stages, buffered):
    model = build_small(branches=branches)
    names = {layer.name for layer in model.layers}
    assert {f"project_{stage}" for stage in stages} == {
        name for name in names if name.startswith("project")
    }
    assert {f"buffer_{stage}" for stage in buffered} == {
        name for name in names if name.startswith("buffer")
    }


def test_buffers_follow_the_other_reading_of_the_paper():
    model = build_small(buffers="last_two")
    names = {layer.name for layer in model.layers if layer.name.startswith("buffer")}
    assert names == {"buffer_3", "buffer_4"}


def test_without_semantics_attends_to_all_regions_alike():
    pooled = build_small(semantics="none")
    guided = build_small(semantics="labels")
    guided.get_layer("label_group_embedding").attend_2.attend.kernel.assign(
        np.zeros((12, 1, 8))
    )
    for layer in pooled.layers:
        if layer.name.startswith(("project", "buffer", "small")):
            guided.get_layer(layer.name).set_weights(layer.get_weights())
    tanh = [
        keras.Model(model.input, model.get_layer("tanh").output)(IMAGES)
        for model in (pooled, guided)
    ]
    np.testing.assert_allclose(
        tanh[1], np.repeat(tanh[0][:, None], 5, axis=1), atol=1e-5
    )


@pytest.mark.parametrize("trainable", [True, False])
def test_learns_word_vectors_on_request(trainable):
    model = build_small(trainable_words=trainable)
    paths = {weight.path for weight in model.trainable_weights}
    assert ("word_vectors/value" in paths) == trainable
    assert "adjacency/value" not in paths


RESNET101 = 42_500_160
DEAD = 65_792  # the reference's first buffer, and 3,073 of its predictor per label


@pytest.mark.parametrize(
    ("num_labels", "expected"),
    [(20, 121_891_016 - DEAD - 20 * 3073), (80, 310_942_016 - DEAD - 80 * 3073)],
)
def test_has_the_reference_s_number_of_weights(num_labels, expected):
    images = keras.Input((448, 448, 3))
    maps = [
        layers.AveragePooling2D(stride)(images[..., :1] * np.ones(width, "float32"))
        for stride, width in ((4, 256), (8, 512), (16, 1024), (32, 2048))
    ]
    model = build_msrn(
        np.ones((num_labels, 300)),
        np.eye(num_labels),
        backbone=keras.Model(images, maps, name="stub"),
        hidden_units=1,
    )
    weights = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    # Every hidden unit has its inputs, its bias and its outputs.
    inputs = model.get_layer("hidden").input.shape[-1]
    weights += 2047 * (inputs + 1 + num_labels)
    assert RESNET101 + weights == expected


@pytest.mark.slow
def test_has_the_reference_s_number_of_weights_with_its_backbone():
    model = build_msrn(np.ones((20, 300)), np.eye(20))
    weights = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert weights == 121_763_764


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_stays_finite_and_near_under_mixed_precision(policy):
    model = build_small()
    keras.config.set_dtype_policy(policy)
    try:
        mixed = build_small()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(model.get_weights())
    with tf.GradientTape() as tape:
        logits = mixed(IMAGES)
        loss = tf.reduce_sum(logits**2) + tf.add_n(mixed.losses)
    assert logits.dtype == "float32"
    np.testing.assert_allclose(logits, model(IMAGES), atol=0.05)
    gradients = tape.gradient(loss, [w.value for w in mixed.trainable_weights])
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.slow
def test_loads_in_a_process_that_has_only_the_layers(tmp_path):
    model = build_small()
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    script = (
        "import keras, numpy, kmlic.layers\n"
        "model = keras.saving.load_model('model.keras')\n"
        "numpy.save('logits.npy', model(numpy.load('images.npy')))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    logits = np.load(tmp_path / "logits.npy")
    np.testing.assert_allclose(logits, model(IMAGES), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_two_replicas_train_like_one():
    losses, weights = [], []
    for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
        keras.utils.set_random_seed(0)
        with tf.distribute.MirroredStrategy(devices).scope():
            model = build_small()
            model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
        fit = model.fit(
            np.repeat(IMAGES, 2, axis=0), np.ones((4, 5)), batch_size=4, verbose=0
        )
        losses.append(fit.history["loss"])
        weights.append(model.get_weights())
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adjacency": np.eye(4)}, r"shape \(4, 4\) for 5 word vectors"),
        ({"word_vectors": np.ones(5)}, r"got shape \(5,\)"),
        ({"word_vectors": WORDS * np.nan}, "NaN or infinity in row 0"),
        ({"num_groups": 30}, "got num_groups=30 for 5 labels"),
        ({"branches": 5}, "at most 4; got branches=5"),
        ({"semantics": "both"}, "got semantics='both'"),
        ({"image_size": 32, "backbone": "small_resnet"}, "1 x 1 from small_resnet"),
    ],
)
def test_says_early_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        build_small(**changes)


def _assert_equal(actual, expected, what):
    difference = np.abs(np.asarray(actual) - expected).max() / np.abs(expected).max()
    assert difference < 1e-4, f"{what} differs by {difference:.1e} of its largest value"


def _small_backbone():
    images = x = keras.Input((64, 64, 3))
    x = layers.Rescaling(1 / 255)(layers.AveragePooling2D(2)(x))
    maps = []
    for width in (4, 6, 8, 10):
        x = layers.Conv2D(width, 2, strides=2, activation="tanh")(x)
        maps.append(x)
    return keras.Model(images, maps, name="small")


def _reference_backbone():
    """torchvision's ResNet at a sixteenth of its width, one block a stage."""
    images = keras.Input((128, 128, 3))
    x = _convolve(images, 4, 7, 2, "conv1")
    x = layers.ReLU()(_normalise(x, "bn1"))
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    maps = []
    for stage, width in enumerate((4, 8, 16, 32), start=1):
        name, stride = f"layer{stage}.0", 1 if stage == 1 else 2
        shortcut = _convolve(x, 4 * width, 1, stride, f"{name}.downsample.0")
        shortcut = _normalise(shortcut, f"{name}.downsample.1")
        for index, (filters, size, step) in enumerate(
            ((width, 1, 1), (width, 3, stride), (4 * width, 1, 1)), start=1
        ):
            x = _convolve(x, filters, size, step, f"{name}.conv{index}")
            x = _normalise(x, f"{name}.bn{index}")
            if index < 3:
                x = layers.ReLU()(x)
        x = layers.ReLU()(layers.Add()([x, shortcut]))
        maps.append(x)
    return keras.Model(images, maps, name="resnet")


def _convolve(x, filters, size, stride, name):
    if size > 1:
        x = layers.ZeroPadding2D(size // 2)(x)
    return layers.Conv2D(filters, size, stride, use_bias=False, name=name)(x)


def _normalise(x, name):
    return layers.BatchNormalization(epsilon=1e-5, name=name)(x)


def _reference_keys(model):
    """Pairs each weight with the reference's key and the part of that array."""
    words = {
        "kernel": "weight",
        "gamma": "weight",
        "beta": "bias",
        "bias": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    heads = {
        "hidden": "fc1",
        "logits": "fc2",
        "buffer_2": "resnet_101.conv_buffer1",
        "buffer_3": "resnet_101.conv_buffer2",
        "project_2": "ProjectM.0",
        "project_3": "ProjectM.1",
        "project_4": "ProjectM.2",
    }
    keys = []
    for layer in [*model.get_layer("resnet").layers, *map(model.get_layer, heads)]:
        prefix = heads.get(layer.name, f"resnet_101.{layer.name}")
        keys += [(w, f"{prefix}.{words[w.name]}", None) for w in layer.weights]
    embedding = model.get_layer("label_group_embedding")
    dense = embedding.label_dense
    keys += [
        (dense.kernel, "fc_label.weight", None),
        (dense.bias, "fc_label.bias", None),
    ]
    for attention, prefix in (
        (embedding.attend_1, "label_embed.layers.0"),
        (embedding.attend_2, "label_embed.layers.1"),
        (embedding.pool.embed, "group_embed.layers.0.embed"),
        (embedding.pool.assign, "group_embed.layers.0.assign_mat"),
    ):
        keys += [
            (attention.attend.kernel, f"{prefix}.W", "as it is"),
            (attention.attend.attn_kernel_self, f"{prefix}.a", "first half"),
            (attention.attend.attn_kernel_neighs, f"{prefix}.a", "second half"),
        ]
    return keys


def _to_keras(weight, array, part):
    if part in ("first half", "second half"):
        half = len(array) // 2
        array = array[:half] if part == "first half" else array[half:]
    elif part is None and array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    elif part is None and array.ndim == 2:
        array = array.T
    return array.reshape(weight.shape)
