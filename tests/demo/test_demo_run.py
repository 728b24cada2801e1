import numpy as np
import pytest

from kmlic.demo import DemoRun
from kmlic.export import export_tflite
from kmlic.predict import load_run
from tests.predict.toys import write_broken, write_image, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("demo") / "run")


def test_scores_images_and_says_why_one_is_broken(folder, tmp_path):
    image = write_image(tmp_path / "yellow.png", (255, 255, 0))
    broken = next(iter(write_broken(tmp_path)))
    good, bad = DemoRun(folder).predict([image, broken])
    assert good.labels == ("red", "green")
    assert bad.probabilities is None and bad.error


def test_an_export_scores_alike_but_has_no_maps(folder, tmp_path):
    model, labels = load_run(folder)
    export_tflite(model, folder / "model.tflite", labels=labels)
    image = write_image(tmp_path / "yellow.png", (255, 255, 0))
    keras, lite = (DemoRun(folder, runtime) for runtime in ("keras", "tflite"))
    np.testing.assert_allclose(
        keras.predict([image])[0].probabilities,
        lite.predict([image])[0].probabilities,
        atol=1e-5,
    )
    assert lite.draw(str(image), [0]) == {}


def test_keeps_the_limits(folder, tmp_path):
    image = write_image(tmp_path / "yellow.png", (255, 255, 0))
    (row,) = DemoRun(folder, max_bytes=10).predict([image])
    assert row.probabilities is None and "10" in row.error
