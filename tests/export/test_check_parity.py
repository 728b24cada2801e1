import keras
import numpy as np
import pytest
from PIL import Image

from kmlic.export import check_parity
from tests.export.toys import random_images


@pytest.mark.parametrize("size", [16, 29])
def test_finds_hardly_a_difference_on_tensors(model, saved_model, tflite, size):
    images = random_images(19, size)
    assert check_parity(model, saved_model, images, tolerance=1e-5) < 1e-5
    assert check_parity(model, tflite, images, tolerance=1e-5) < 1e-5


def test_finds_hardly_a_difference_on_files(model, saved_model, tflite, tmp_path):
    for index, image in enumerate(random_images(2, 31)):
        path = tmp_path / f"{index}.jpg"
        Image.fromarray(image.astype("uint8")).save(path)
    paths = sorted(tmp_path.iterdir())
    assert check_parity(model, saved_model, paths, tolerance=1e-5) < 1e-5
    assert check_parity(model, tflite, paths, tolerance=1e-5) < 1e-5


def test_says_which_label_of_which_image_strays(model, saved_model):
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    bias = other.get_layer("logits").bias
    bias.assign(bias + np.array([0, 0.5, 0], "float32"))
    with pytest.raises(ValueError, match=r"=0\.01; .* label 1 .* such as float16"):
        check_parity(other, saved_model, random_images(), tolerance=0.01)
    assert check_parity(other, saved_model, random_images()) > 0.01


def test_lets_nan_pass_no_tolerance(model, saved_model):
    other = keras.models.clone_model(model)
    other.get_layer("logits").bias.assign([np.nan] * 3)
    with pytest.raises(ValueError, match="tolerance"):
        check_parity(other, saved_model, random_images(), tolerance=0.1)


def test_refuses_broken_and_no_images(model, saved_model, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"broken\.jpg"):
        check_parity(model, saved_model, [tmp_path / "broken.jpg"])
    with pytest.raises(ValueError, match="at least one image"):
        check_parity(model, saved_model, [])
