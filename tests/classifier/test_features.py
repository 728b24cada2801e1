import dataclasses
import io

import keras
import numpy as np
import pytest
from rich.console import Console

from kmlic.classifier import features as stage
from kmlic.classifier.budget import Budget
from kmlic.classifier.check import check
from kmlic.classifier.features import compute_outputs, features, largest_size
from tests.classifier.photos import backbone, write_photos

SIZE = 64


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    place = tmp_path_factory.mktemp("features")
    return check(write_photos(place / "photos", 20), place).images


def test_gives_averages_and_maxima_of_two_depths(images, tmp_path):
    found = features(images, backbone, tmp_path, Budget(5), image_size=SIZE)
    (pixels, _) = next(
        iter(images.batches(np.arange(3), image_size=SIZE, batch_size=3))
    )
    *_, before, last = backbone(SIZE)(pixels)
    expected = np.concatenate(
        [
            np.mean(before, axis=(1, 2)),
            np.mean(last, axis=(1, 2)),
            np.max(last, axis=(1, 2)),
            np.max(before, axis=(1, 2)),
        ],
        axis=1,
    )
    np.testing.assert_allclose(found.pooled[0, :3], expected, rtol=1e-4, atol=1e-4)
    channels = int(last.shape[-1])
    own = found.pooled[0, :3, found.columns(False)]
    np.testing.assert_allclose(own[:, :channels], np.mean(last, axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(found.maps[0, :3], last, rtol=1e-2, atol=1e-2)
    mirrored = backbone(SIZE)(pixels[:, :, ::-1])[-1]
    np.testing.assert_allclose(found.maps[1, :3], mirrored, rtol=1e-2, atol=1e-2)


def test_keeps_what_fine_tuning_starts_from(images, tmp_path):
    without = features(images, backbone, tmp_path, Budget(5), image_size=SIZE)
    found = features(
        images, backbone, tmp_path, Budget(5), image_size=SIZE, activations=True
    )
    assert without.activations is None
    np.testing.assert_allclose(found.pooled, without.pooled, rtol=1e-4, atol=1e-4)
    lower, _ = stage.cut_backbone(backbone(SIZE))
    rows = np.arange(3)
    (pixels, _) = next(iter(images.batches(rows, image_size=SIZE, batch_size=3)))
    for view, own in enumerate((pixels, pixels[:, :, ::-1])):
        expected = lower(own)
        np.testing.assert_allclose(
            found.activations[view, :3], expected, rtol=1e-2, atol=1e-2
        )


def test_leaves_out_activations_that_take_too_much_room(images, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "MOST_ACTIVATION_BYTES", 1000)
    found = features(
        images, backbone, tmp_path, Budget(5), image_size=SIZE, activations=True
    )
    assert found.activations is None


def test_goes_on_with_the_block_that_was_cut_off(images, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "_BATCH", 4)
    monkeypatch.setattr(stage, "_CHUNK", 8)
    whole = features(images, backbone, tmp_path / "a", Budget(5), image_size=SIZE)
    record = stage._record
    seen = []

    def fail(place, done, seconds):
        record(place, done, seconds)
        seen.append(done)
        if done == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(stage, "_record", fail)
    with pytest.raises(KeyboardInterrupt):
        features(images, backbone, tmp_path / "b", Budget(5), image_size=SIZE)
    text = io.StringIO()
    budget = Budget(5, Console(file=text))
    again = features(images, backbone, tmp_path / "b", budget, image_size=SIZE)
    assert "features: 8 of 20 images are there from before" in text.getvalue()
    assert seen == [0, 8, 16, 20]
    np.testing.assert_allclose(again.pooled, whole.pooled, rtol=1e-4, atol=1e-5)


def test_takes_the_largest_size_that_the_time_allows(images, tmp_path, monkeypatch):
    def chosen(minutes, folder=tmp_path, **changes):
        own = dataclasses.replace(images, **changes)
        return largest_size(own, backbone, folder, Budget(minutes))

    monkeypatch.setattr(stage, "_measure", lambda *_: 1.0)  # a second an image
    assert chosen(1) == stage.SIZES[0]
    monkeypatch.setattr(stage, "_measure", lambda *_: 1e-6)
    assert chosen(1, tmp_path / "fast") == 224  # of images of 48 pixels
    # A run that goes on finds the features of the size that was chosen.
    assert chosen(1) == stage.SIZES[0]
    assert chosen(2) == 224
    # With more minutes images are never smaller, however slow the machine is then.
    monkeypatch.setattr(stage, "_measure", lambda *_: 1.0)
    assert chosen(3) == 224
    # Images that were resized before are not enlarged.
    monkeypatch.setattr(stage, "_measure", lambda *_: 1e-6)
    assert chosen(1, tmp_path / "resized", image_size=192, side=192) == 192


def test_random_crops_follow_from_the_row(images, tmp_path):
    pixels = keras.Input((64, 64, 3))
    model = keras.Model(pixels, keras.layers.Identity()(pixels))
    rows = images.training_rows

    def views(name, chosen):
        (found,), _ = compute_outputs(
            images, chosen, model, 64, tmp_path / name, Budget(1), views=range(4)
        )
        return np.array(found, "float32")

    found = views("all", rows)
    assert found.shape == (4, len(rows), 64, 64, 3)
    np.testing.assert_array_equal(found[1], found[0][:, :, ::-1])
    np.testing.assert_array_equal(views("again", rows[5:9]), found[:, 5:9])
    assert np.abs(found[2] - found[3]).mean() > 1
    # A crop holds nothing that is not in the image.
    for view in found[2:]:
        assert (view.min(axis=(1, 2)) >= found[0].min(axis=(1, 2)) - 0.1).all()
        assert (view.max(axis=(1, 2)) <= found[0].max(axis=(1, 2)) + 0.1).all()
