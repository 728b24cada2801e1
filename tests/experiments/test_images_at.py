import numpy as np

from kmlic.experiments import images_at
from tests.toys import toy_data


def test_images_are_those_of_the_rows():
    data = toy_data()
    every = np.concatenate([images for images, _ in data.test.as_numpy_iterator()])
    found = images_at(data.test, np.array([17, 3, 9]))
    assert sorted(found) == [3, 9, 17]
    for row, image in found.items():
        np.testing.assert_array_equal(image, every[row])


def test_no_more_batches_are_read_than_needed():
    def batches():
        yield np.zeros((2, 1, 1, 3)), None
        raise AssertionError("read too far")

    assert list(images_at(batches(), [1])) == [1]
