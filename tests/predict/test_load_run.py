import io
import json
import zipfile

import h5py
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


def test_names_a_damaged_model(tmp_path):
    folder = write_run(tmp_path / "run")
    content = (folder / "model.keras").read_bytes()
    (folder / "model.keras").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"model\.keras must be a Keras model"):
        load_run(folder)


def test_does_not_run_what_a_foreign_model_brings_along(tmp_path):
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Lambda(lambda x: x)(pooled))
    folder = write_run(tmp_path / "run")
    model.save(folder / "model.keras")
    with pytest.raises(ValueError, match="can load; got: "):
        load_run(folder)


def rewrite(path, *, config=None, weights=None):
    """Writes a model file again, with changed parts."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = config or parts["config.json"]
    parts["model.weights.h5"] = weights or parts["model.weights.h5"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return parts


def test_refuses_a_model_that_declares_more_than_it_holds(tmp_path):
    folder = write_run(tmp_path / "run")
    path = folder / "model.keras"
    parts = rewrite(path)
    load_run(folder)
    rewrite(path, config=parts["config.json"] + b" " * (1 << 28))
    with pytest.raises(
        ValueError, match=r"config\.json unpacks to 268,4.* at most 16,"
    ):
        load_run(folder)
    weights = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        file.create_dataset("x", (60_000, 60_000), "float32", chunks=(1000, 1000))
    rewrite(path, config=parts["config.json"], weights=weights.getvalue())
    with pytest.raises(ValueError, match=r"/x declares shape \(60000, 60000\)"):
        load_run(folder)


def test_refuses_a_configuration_that_declares_larger_weights(tmp_path):
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Dense(3)(pooled))
    folder = write_run(tmp_path / "run")
    path = folder / "model.keras"
    model.save(path)
    load_run(folder)
    config = json.loads(rewrite(path)["config.json"])
    (dense,) = (x for x in config["config"]["layers"] if x["class_name"] == "Dense")
    dense["config"]["units"] = 2_000_000_000
    rewrite(path, config=json.dumps(config).encode())
    with pytest.raises(ValueError, match=r"declares more than .* \(3, 2000000000\)"):
        load_run(folder)
