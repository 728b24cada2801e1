import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kmlic.evaluation import linear_probe
from kmlic.metrics import average_precision
from tests.toys import toy_data


def test_separates_what_is_linear_in_the_mean_features():
    images = keras.Input((8, 8, 3))
    backbone = keras.Model(images, [images, images * 0.01])
    scores = linear_probe(backbone, toy_data())
    assert {split: s.shape for split, (_, s) in scores.items()} == {
        "validation": (40, 3),
        "test": (40, 3),
    }
    assert np.mean(average_precision(*scores["test"])) > 0.999


@pytest.mark.parametrize("pooling", ["max", "avg+max"])
def test_pools_the_features_in_other_ways(pooling):
    images = keras.Input((8, 8, 3))
    scores = linear_probe(keras.Model(images, images), toy_data(), pooling=pooling)
    assert np.mean(average_precision(*scores["test"])) > 0.999


def test_says_which_poolings_there_are():
    images = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="pooling='sum'"):
        linear_probe(keras.Model(images, images), toy_data(), pooling="sum")


def test_fits_scikit_learn_s_pipeline_on_more_features_than_images():
    images = keras.Input((8, 8, 3))
    grid = keras.ops.reshape(images, (-1, 1, 1, 192))  # 192 features of 40 images
    data = toy_data()
    scores = linear_probe(keras.Model(images, grid), data, strengths=(0.01,))

    def pixels(split):
        return np.concatenate([x.numpy().reshape(len(x), -1) for x, _ in split])

    for label in range(3):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
        model.fit(pixels(data.train_in_order), data.train_targets[:, label])
        expected = model.predict_proba(pixels(data.test))[:, 1]
        np.testing.assert_allclose(scores["test"][1][:, label], expected, atol=1e-3)
