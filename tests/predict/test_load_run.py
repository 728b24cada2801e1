import keras
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


def test_refuses_a_model_with_other_outputs(tmp_path):
    folder = write_run(tmp_path / "run")
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, [pooled, pooled]).save(folder / "model.keras")
    with pytest.raises(ValueError, match=r"model\.keras \[\(None, 3\), \(None, 3\)\]"):
        load_run(folder)
