import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from kmlic.models import load_model


def write_model(folder):
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Dense(3)(pooled)).save(folder / "model.keras")
    return folder / "model.keras"


def test_loads_the_same_weights(tmp_path):
    path = write_model(tmp_path)
    expected = keras.saving.load_model(path)
    found = load_model(path)
    for mine, theirs in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_names_a_damaged_model(tmp_path):
    path = write_model(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"model\.keras must be a Keras model"):
        load_model(path)


def test_does_not_run_what_a_foreign_model_brings_along(tmp_path):
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Lambda(lambda x: x)(pooled))
    path = tmp_path / "model.keras"
    model.save(path)
    with pytest.raises(ValueError, match="can load; got: "):
        load_model(path)


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
    path = write_model(tmp_path)
    parts = rewrite(path)
    load_model(path)
    rewrite(path, config=parts["config.json"] + b" " * (1 << 28))
    with pytest.raises(
        ValueError, match=r"config\.json unpacks to 268,4.* at most 16,"
    ):
        load_model(path)
    weights = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        file.create_dataset("x", (60_000, 60_000), "float32", chunks=(1000, 1000))
    rewrite(path, config=parts["config.json"], weights=weights.getvalue())
    with pytest.raises(ValueError, match=r"/x declares shape \(60000, 60000\)"):
        load_model(path)


def test_refuses_a_configuration_that_declares_larger_weights(tmp_path):
    path = write_model(tmp_path)
    config = json.loads(rewrite(path)["config.json"])
    (dense,) = (x for x in config["config"]["layers"] if x["class_name"] == "Dense")
    dense["config"]["units"] = 2_000_000_000
    rewrite(path, config=json.dumps(config).encode())
    with pytest.raises(ValueError, match=r"declares more than .* \(3, 2000000000\)"):
        load_model(path)


def test_refuses_what_is_no_model(tmp_path):
    path = write_model(tmp_path)
    config = json.loads(rewrite(path)["config.json"])
    (dense,) = (x for x in config["config"]["layers"] if x["class_name"] == "Dense")
    dense["config"]["activation"] = "linear"
    rewrite(path, config=json.dumps(dense).encode())
    with pytest.raises(ValueError, match=r"model\.keras must be a model that"):
        load_model(path)
