import keras
import numpy as np

from kmlic.evaluation import linear_probe
from kmlic.metrics import average_precision
from tests.evaluation.toys import toy_data


def test_separates_what_is_linear_in_the_mean_features():
    images = keras.Input((8, 8, 3))
    backbone = keras.Model(images, [images, images * 0.01])
    scores = linear_probe(backbone, toy_data())
    assert {split: s.shape for split, (_, s) in scores.items()} == {
        "validation": (40, 3),
        "test": (40, 3),
    }
    assert np.mean(average_precision(*scores["test"])) > 0.999
