import keras
import numpy as np

from kmlic.explain import activation_maps
from kmlic.models import build_query2label
from tests.models.papers import MODELS

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


def test_explains_itself_by_its_attention():
    maps = activation_maps(MODELS["query2label"].build(), IMAGES)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-4)


def test_has_the_codes_number_of_weights():
    # R101 at 448 px on COCO: 2048 channels, 4 heads, 8192 hidden units, 1 + 2 layers.
    images = keras.Input((448, 448, 3))
    features = keras.layers.AveragePooling2D(32)(images[..., :1])
    features = features * np.ones(2048, "float32")
    model = build_query2label(80, backbone=keras.Model(images, features, name="stub"))
    attend = 4 * (2048 * 2048 + 2048)
    transform = 2048 * 8192 + 8192 + 8192 * 2048 + 2048
    block = attend + transform + 2 * 2 * 2048
    labels = 80 * 2048 + 80 * 2048 + 80
    assert model.count_params() == 3 * block + 2 * 2048 + labels
