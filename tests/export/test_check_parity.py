import keras
import numpy as np
import pytest
from PIL import Image

from kmlic.export import check_parity, export_tflite
from kmlic.labels import Labels
from tests.export.toys import flat_images, random_images, wide_model


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
    with pytest.raises(ValueError, match=r"=0\.01; from tensors, the score of label 1"):
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


@pytest.mark.parametrize("exclusive", [False, True])
def test_takes_extreme_logits_for_what_they_are(tmp_path, exclusive):
    groups = {"g": tuple("abcd")} if exclusive else None
    labels = Labels(tuple("abcd"), groups, image_size=16, exclusive=exclusive)
    images = flat_images()
    model = wide_model(spread=2000.0)
    path = export_tflite(
        model, tmp_path / "model.tflite", labels=labels, quantize="dynamic"
    )
    difference = check_parity(model, path, images, tolerance=0.1)
    # A logit near zero that is off by a hundredth of the others is another score.
    assert exclusive or difference > 0.1
    layer = model.get_layer("logits")
    kernel, bias = layer.get_weights()
    for wrong in (
        [kernel[:, [1, 0, 2, 3]], bias],
        [0 * kernel, bias],
        [-kernel, -bias],
    ):
        layer.set_weights(wrong)
        with pytest.raises(ValueError, match=r"tolerance=0\.1; .* float16 or float32"):
            check_parity(model, path, images, tolerance=0.1)
