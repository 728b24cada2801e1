import keras
import numpy as np

from kmlic.models import build_classifier, build_devise, score_labels
from kmlic.training.as_float32 import as_float32

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")


def build(policy):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        return score_labels(build_devise(6, image_size=32), np.eye(5, 6))
    finally:
        keras.config.set_dtype_policy("float32")


def test_is_what_the_model_would_have_been_in_float32():
    low, expected = build("mixed_bfloat16"), build("float32")
    expected.set_weights(low.get_weights())
    copy = as_float32(low)
    assert all(layer.compute_dtype == "float32" for layer in copy._flatten_layers())
    np.testing.assert_allclose(copy(IMAGES), expected(IMAGES), rtol=1e-5, atol=1e-6)
    assert [w.path for w in copy.weights] == [w.path for w in low.weights]
    assert copy.name == low.name
    # The model itself stays as it was.
    assert low.get_layer("small_cnn").get_layer("conv1").compute_dtype == "bfloat16"


def test_survives_a_file(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_classifier(
            3,
            backbone="small_resnet",
            image_size=32,
            pooling="wildcat",
            maps_per_label=2,
        )
    finally:
        keras.config.set_dtype_policy("float32")
    copy = as_float32(model)
    copy.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(IMAGES), copy(IMAGES), rtol=1e-5, atol=1e-6)
    assert keras.config.dtype_policy().name == "float32"
