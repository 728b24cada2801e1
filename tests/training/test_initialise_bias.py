import keras
import numpy as np
import pytest

from kmlic.layers import CategorySpaceToDepth, WildcatPooling
from kmlic.models import build_classifier
from kmlic.training import initialise_bias

TARGETS = np.array([[1, 0, -1], [1, 0, -1], [0, 0, 1], [1, 1, 0]])


def test_a_new_model_gives_every_label_its_frequency():
    model = build_classifier(3, backbone="small_resnet", image_size=32)
    model.get_layer("logits").kernel.assign(np.zeros((256, 3)))
    initialise_bias(model, TARGETS)
    logits = model.predict_on_batch(np.zeros((1, 32, 32, 3)))
    odds = np.array([3.5 / 1.5, 1.5 / 3.5, 1.5 / 1.5])
    np.testing.assert_allclose(logits[0], np.log(odds), rtol=1e-6)


def test_labels_that_all_or_no_images_have_stay_finite():
    images = keras.Input((2,))
    model = keras.Model(images, keras.layers.Dense(2, name="logits")(images))
    initialise_bias(model, np.array([[1, 0]] * 5))
    assert np.isfinite(model.get_layer("logits").bias).all()


@pytest.mark.parametrize("pooling", ["wildcat", "max"])
def test_a_model_without_one_bias_per_label_is_refused(pooling):
    model = build_classifier(2, backbone="small_resnet", image_size=32, pooling=pooling)
    with pytest.raises(ValueError, match="for each label; got a bias of shape"):
        initialise_bias(model, TARGETS)


def test_maps_of_a_label_share_its_frequency():
    images = keras.Input((4, 4, 3))
    maps = CategorySpaceToDepth(2, 3, name="maps")(images)
    model = keras.Model(images, WildcatPooling(0.999, alpha=0.7, name="logits")(maps))
    model.get_layer("maps").split.kernel.assign(np.zeros((3, 3, 2, 3)))
    targets = np.array([[1, 0], [1, 0], [0, 0], [1, -1]])

    initialise_bias(model, targets, layer="maps", gain=0.85)

    bias = np.asarray(model.get_layer("maps").bias)
    assert len(set(bias[:3])) == len(set(bias[3:])) == 1
    probabilities = keras.ops.sigmoid(model(np.ones((1, 4, 4, 3))))
    np.testing.assert_allclose(probabilities, [[3.5 / 5, 0.5 / 4]], rtol=1e-5)
