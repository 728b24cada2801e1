import numpy as np
import pytest

from kmlic.classifier import features as stage
from kmlic.classifier.budget import Budget
from kmlic.classifier.check import check
from kmlic.classifier.features import features
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
    again = features(images, backbone, tmp_path / "b", Budget(5), image_size=SIZE)
    assert seen == [0, 8, 16, 20]
    np.testing.assert_allclose(again.pooled, whole.pooled, rtol=1e-4, atol=1e-5)


def test_takes_the_largest_size_that_the_time_allows(images, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "_measure", lambda *_: 1.0)  # a second an image
    slow = features(images, backbone, tmp_path, Budget(1))
    assert slow.image_size == stage.SIZES[0]
    monkeypatch.setattr(stage, "_measure", lambda *_: 1e-6)
    fast = features(images, backbone, tmp_path, Budget(1))
    assert fast.image_size == 224  # of images of 48 pixels
