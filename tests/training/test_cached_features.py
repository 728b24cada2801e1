import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import MultiLabelData
from kmlic.labels import Labels
from kmlic.training import CachedFeatures, fit, predict_scores

SIZES = {"train": 12, "validation": 5, "test": 4}


def make_data(order=slice(None), offset=0):
    """Random images; `order` deals the same ones to other splits."""
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (21, 8, 8, 3)).astype("float32")[order] + offset
    truth = random.integers(0, 2, (21, 2)).astype("int8")[order]
    splits, targets, start = {}, {}, 0
    for split, size in SIZES.items():
        part = slice(start, start + size)
        batches = tf.data.Dataset.from_tensor_slices(
            (images[part], truth[part].astype("float32"))
        ).batch(3)
        splits[split], targets[split] = batches, truth[part]
        start += size
    return MultiLabelData(
        **splits,
        train_in_order=splits["train"],
        labels=Labels(("dog", "sofa")),
        targets=targets,
    )


def make_extractor(outputs=1, seed=0):
    keras.utils.set_random_seed(seed)
    images = keras.Input((8, 8, 3), name="images")
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(4, 2, strides=2, name="fine")(x)
    maps = [x, keras.layers.Conv2D(5, 2, strides=2, activation="relu", name="deep")(x)]
    return keras.Model(images, maps[-outputs:] if outputs > 1 else maps[-1])


def make_head(features):
    inputs = [keras.Input(shape) for shape in features.shapes]
    pooled = [keras.layers.GlobalAveragePooling2D()(each) for each in inputs]
    x = keras.layers.Concatenate()(pooled) if len(pooled) > 1 else pooled[0]
    head = keras.Model(
        inputs if len(inputs) > 1 else inputs[0],
        keras.layers.Dense(2, name="logits")(x),
        name="head",
    )
    head.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    return head


def _images(dataset):
    return np.concatenate([np.asarray(images) for images, _ in dataset])


def test_gives_the_features_in_place_of_the_images(tmp_path):
    data, extractor = make_data(), make_extractor()
    loaded = CachedFeatures(extractor, data, tmp_path).load(batch_size=4)

    assert loaded.source is data
    for name in ("train_in_order", "validation", "test"):
        features, targets = map(
            np.concatenate, zip(*getattr(loaded, name).as_numpy_iterator(), strict=True)
        )
        expected = extractor.predict(_images(getattr(data, name)), verbose=0)
        np.testing.assert_allclose(features, expected, atol=1e-3)
        split = name.removesuffix("_in_order")
        np.testing.assert_array_equal(targets, data.targets[split])


def test_mirrors_half_of_the_training_images_anew_each_epoch(tmp_path):
    data, extractor = make_data(), make_extractor()
    train = CachedFeatures(extractor, data, tmp_path).load(batch_size=4).train

    images = _images(data.train_in_order)
    plain = extractor.predict(images, verbose=0)
    mirrored = extractor.predict(images[:, :, ::-1], verbose=0)
    epochs = []
    for _ in range(4):
        seen = _images(train)
        assert seen.shape == (12, 2, 2, 5)
        kinds = [
            [np.abs(each - one).max() < 1e-3 for one in kind]
            for each in seen
            for kind in (plain, mirrored)
        ]
        assert (np.sum(kinds, axis=1).reshape(12, 2).sum(axis=1) == 1).all()
        epochs.append(np.argmax(np.reshape(kinds, (12, -1)), axis=1))
    assert any((epochs[0] != epoch).any() for epoch in epochs)
    share = np.mean(np.array(epochs) >= 12)
    assert 0.2 < share < 0.8
    numbers = np.sort(np.array(epochs) % 12)
    np.testing.assert_array_equal(numbers, [np.arange(12)] * 4)


@pytest.mark.parametrize("outputs", [1, 2])
def test_mixes_features_and_targets_alike(tmp_path, outputs):
    features = CachedFeatures(make_extractor(outputs), make_data(), tmp_path)

    def epoch(augmentation):
        data = features.load(batch_size=12, seed=3, augmentation=augmentation)
        (batch,) = data.train.as_numpy_iterator()
        parts = keras.tree.flatten(batch)
        return np.concatenate([part.reshape(12, -1) for part in parts], axis=1)

    plain, mixed = epoch("flip"), epoch("flip+mixup")
    assert (plain != mixed).any(axis=1).sum() > 6
    # All of an image is on the line between itself and one other.
    along = plain[None] - plain[:, None]
    moved = (mixed - plain)[:, None]
    share = (along * moved).sum(-1) / np.maximum((along**2).sum(-1), 1e-9)
    off = np.abs(np.clip(share, 0, 1)[..., None] * along - moved).max(axis=-1)
    np.testing.assert_allclose(off.min(axis=1), 0, atol=1e-4)
    with pytest.raises(ValueError, match="augmentation='cutmix'"):
        epoch("cutmix")


def test_the_seed_orders_the_batches(tmp_path):
    features = CachedFeatures(make_extractor(), make_data(), tmp_path)

    def first_epoch(seed):
        return _images(features.load(batch_size=4, seed=seed).train)

    np.testing.assert_array_equal(first_epoch(1), first_epoch(1))
    assert not np.array_equal(first_epoch(1), first_epoch(2))


def test_finds_what_was_computed_before(tmp_path, capsys):
    CachedFeatures(make_extractor(), make_data(), tmp_path)
    assert "Computing the features of 21 images" in capsys.readouterr().out
    keras.backend.clear_session()
    shuffled = make_data(order=np.random.default_rng(1).permutation(21))

    features = CachedFeatures(make_extractor(), shuffled, tmp_path)

    assert not capsys.readouterr().out
    np.testing.assert_allclose(
        _images(features.load(batch_size=4).test),
        features.extractor.predict(_images(shuffled.test), verbose=0),
        atol=1e-3,
    )


@pytest.mark.parametrize("changed", ["pixels", "weights", "layers"])
def test_computes_anew_what_another_model_or_image_gives(tmp_path, changed):
    CachedFeatures(make_extractor(), make_data(), tmp_path)
    extractor, data = make_extractor(seed=changed == "weights"), make_data()
    if changed == "pixels":
        data = make_data(offset=1)
    if changed == "layers":
        extractor.get_layer("deep").activation = keras.activations.tanh
    CachedFeatures(extractor, data, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_mirror_images_can_be_left_out(tmp_path):
    data, extractor = make_data(), make_extractor()
    features = CachedFeatures(extractor, data, tmp_path, mirrored=False)
    assert [path.name for path in features.path.iterdir()] == ["plain_0.npy"]
    train = features.load(batch_size=12, augmentation="none").train
    expected = extractor.predict(_images(data.train_in_order), verbose=0)
    np.testing.assert_allclose(
        np.sort(_images(train), axis=0), np.sort(expected, axis=0), atol=1e-3
    )
    with pytest.raises(ValueError, match=r"must not flip .* augmentation='flip'"):
        features.load(batch_size=4)
    with_them = CachedFeatures(extractor, data, tmp_path)
    assert with_them.path != features.path


def test_leaves_nothing_when_interrupted(tmp_path):
    class Broken(keras.Model):
        def call(self, *arguments, **options):
            raise KeyboardInterrupt

    extractor = make_extractor()
    with pytest.raises(KeyboardInterrupt):
        CachedFeatures(
            Broken(extractor.inputs, extractor.outputs), make_data(), tmp_path
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("outputs", [1, 2])
def test_what_was_trained_on_features_takes_images_again(tmp_path, outputs):
    data = make_data()
    features = CachedFeatures(make_extractor(outputs), data, tmp_path / "cache")
    head = make_head(features)
    loaded = features.load(batch_size=4)
    fit(head, loaded.train, loaded.validation, epochs=1, folder=tmp_path / "state")
    expected = predict_scores(head, loaded.test)[1]

    model = features.join(head)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")

    assert model.name == "head"
    assert {"fine", "deep", "logits"} <= {layer.name for layer in restored.layers}
    np.testing.assert_allclose(
        predict_scores(restored, data.test)[1], expected, atol=1e-3
    )


def test_says_what_it_needs(tmp_path):
    data, extractor = make_data(), make_extractor()
    with pytest.raises(ValueError, match=r"`data\.train_in_order` .* got None"):
        CachedFeatures(
            extractor, dataclasses.replace(data, train_in_order=None), tmp_path
        )
    images = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match=r"\(None, None, 3\)"):
        CachedFeatures(keras.Model(images, images), data, tmp_path)
    images = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match=r"below 65504.* got 2\d{5} in output 0"):
        CachedFeatures(keras.Model(images, images * 1e3), data, tmp_path)
    with pytest.raises(ValueError, match="batch_size=13 for 12 images"):
        CachedFeatures(extractor, data, tmp_path).load(batch_size=13)
