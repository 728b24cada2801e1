import dataclasses

import numpy as np

from kmlic.classifier.check import check
from kmlic.classifier.images import fingerprint, store_images
from tests.classifier.photos import write_photos
from tests.toys import toy_data


def test_batches_come_in_the_order_of_the_rows(tmp_path):
    images = check(write_photos(tmp_path / "photos", 12), tmp_path).images
    rows = np.array([5, 2, 9])
    batches = list(images.batches(rows, image_size=32, batch_size=2))
    assert [len(pixels) for pixels, _ in batches] == [2, 1]
    targets = np.concatenate([own for _, own in batches])
    np.testing.assert_array_equal(targets, images.targets[rows])


def test_training_batches_are_shuffled_and_augmented(tmp_path):
    images = check(write_photos(tmp_path / "photos", 12), tmp_path).images
    rows = np.arange(8)
    (batch,) = images.batches(
        rows, image_size=32, batch_size=8, training=True, augmentation="flip"
    )
    (plain,) = images.batches(rows, image_size=32, batch_size=8)
    assert np.abs(batch[0] - plain[0]).max() > 1


def test_fingerprints_follow_from_pixels_targets_splits_and_boxes(tmp_path):
    images = check(write_photos(tmp_path / "photos", 12), tmp_path).images
    arguments = (images.together[0], images.labels, images.targets, images.split)
    same = fingerprint(*arguments)
    assert same == images.fingerprint
    boxes = np.zeros((12, 4), int)
    others = [
        fingerprint(arguments[0][::-1], *arguments[1:]),
        fingerprint(*arguments[:2], 1 - images.targets, images.split),
        fingerprint(*arguments[:3], images.split + 1),
        fingerprint(*arguments, boxes),
    ]
    assert len({same, *others}) == 5


def test_keeps_the_groups_of_a_dataset(tmp_path):
    data = toy_data(12)
    assert store_images(data, tmp_path, "toys").groups_of(np.arange(2)) is None
    own = tuple("aab") + ("",) * 9
    groups = {"train": own, "validation": own, "test": own}
    images = store_images(dataclasses.replace(data, groups=groups), tmp_path, "toys")
    assert images.groups_of(np.arange(4)) == ["a", "a", "b", None]


def test_a_dataset_with_other_pixels_is_not_taken_for_the_one_that_was_stored(tmp_path):
    data = toy_data()
    first = store_images(data, tmp_path, "toys")
    darker = {
        name: getattr(data, name).map(lambda images, own: (images / 2, own))
        for name in ("train_in_order", "validation", "test")
    }
    second = store_images(dataclasses.replace(data, **darker), tmp_path, "toys")
    assert second.fingerprint != first.fingerprint
    assert store_images(data, tmp_path, "toys").fingerprint == first.fingerprint
