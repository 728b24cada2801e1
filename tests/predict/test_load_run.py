import numpy as np
import pytest

from kmlic.labels import Labels
from kmlic.predict import load_run
from tests.predict.toys import LABELS, write_run


def test_loads_the_model_and_its_labels(tmp_path):
    model, labels = load_run(write_run(tmp_path / "run"))
    assert labels == LABELS
    np.testing.assert_allclose(model(np.zeros((1, 8, 8, 3)))[0], [-3, -3, -3])


def test_refuses_labels_of_another_run(tmp_path):
    folder = write_run(tmp_path / "run", Labels(("red", "green")))
    with pytest.raises(ValueError, match=r"labels\.json has 2, model\.keras 3"):
        load_run(folder)


def test_names_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"absent .* no such folder"):
        load_run(tmp_path / "absent")
    folder = write_run(tmp_path / "run")
    (folder / "model.keras").unlink()
    with pytest.raises(ValueError, match=r"lacks model\.keras"):
        load_run(folder)


def test_names_a_damaged_model(tmp_path):
    folder = write_run(tmp_path / "run")
    content = (folder / "model.keras").read_bytes()
    (folder / "model.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"model\.keras must be a Keras model"):
        load_run(folder)


def test_does_not_run_what_a_foreign_model_brings_along(tmp_path):
    import keras

    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Lambda(lambda x: x)(pooled))
    folder = write_run(tmp_path / "run")
    model.save(folder / "model.keras")
    with pytest.raises(ValueError, match="can load; Keras says"):
        load_run(folder)
