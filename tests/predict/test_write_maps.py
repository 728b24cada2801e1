import csv

import keras
import numpy as np
import pytest
from PIL import Image

from kmlic import cli
from kmlic.labels import Labels
from kmlic.predict import Scorer, predict_paths, write_maps
from tests.predict.toys import colour_model, write_broken

LABELS = Labels(("red/a", "red a", "=blue"), thresholds=(0.5, 0.5, 0.6), image_size=8)


def _model():
    """Sees each label where the image has the colour of its number."""
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(image)
    dense = keras.layers.Dense(3, name="logits")
    model = keras.Model(image, dense(pooled))
    kernel = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]], "float32") / 20
    dense.set_weights([kernel, np.full(3, -1.0, "float32")])
    return model


@pytest.fixture
def photos(tmp_path):
    """A wide image, red in its left quarter and blue in the lower half of the rest."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, :20, 0] = 255
    pixels[20:, 20:, 2] = 255
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(pixels).save(folder / "a$(b)  c.png")
    return folder


def _rows(folder):
    with (folder / "maps.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _predict(model, paths):
    return predict_paths(Scorer.of_model(model, LABELS), paths)


def test_draws_a_map_per_predicted_label(photos, tmp_path):
    model, folder = _model(), tmp_path / "maps"
    write_broken(photos)
    predictions = list(write_maps(model, LABELS, _predict(model, [photos]), folder))
    assert [len(each.labels) for each in predictions] == [3, 0, 0, 0, 0]
    rows = _rows(folder)
    assert {row["map"] for row in rows} == {
        "000001-a_b_c-red_a.jpg",
        "000001-a_b_c-red_a-2.jpg",
        "000001-a_b_c-_blue.jpg",
    }
    assert {row["label"] for row in rows} == {"red/a", "red a", "'=blue"}
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["maps.csv", *(row["map"] for row in rows)]
    )
    drawn = {row["label"]: np.asarray(Image.open(folder / row["map"])) for row in rows}
    assert drawn["red/a"].shape == (40, 80, 3)
    # Colours run from red over yellow to white: green is in none of the image.
    green = drawn["red/a"][..., 1].astype(int)
    assert green[:, :15].mean() > 100 > 30 > green[:, 40:].mean()
    green = drawn["'=blue"][..., 1].astype(int)
    assert green[25:, 40:].mean() > 100 > 30 > green[:15, 40:].mean()


def test_weak_maps_are_seen_too(photos, tmp_path):
    model = _model()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel / 1e6, bias + 2])
    list(write_maps(model, LABELS, _predict(model, [photos]), tmp_path / "maps"))
    (row,) = [row for row in _rows(tmp_path / "maps") if row["label"] == "red/a"]
    drawn = np.asarray(Image.open(tmp_path / "maps" / row["map"]))
    assert drawn[:, :15, 1].mean() > 100


def test_the_folder_appears_completely_or_not_at_all(photos, tmp_path):
    model, folder = _model(), tmp_path / "maps"
    rows = write_maps(model, LABELS, _predict(model, [photos, photos]), folder)
    next(rows)
    assert not folder.exists()
    rows.close()
    assert not list(tmp_path.glob("*maps*"))
    folder.mkdir()
    (folder / "own.txt").touch()
    with pytest.raises(ValueError, match=r"new, empty or has a maps\.csv"):
        list(write_maps(model, LABELS, _predict(model, [photos]), folder))


def test_a_model_without_maps_is_refused(photos, tmp_path):
    model = colour_model()
    with pytest.raises(ValueError, match="'activation_maps' or 'pool'"):
        list(write_maps(model, LABELS, _predict(model, [photos]), tmp_path / "maps"))
    assert not (tmp_path / "maps").exists()


def test_the_command_writes_maps(photos, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    _model().save(run / "model.keras")
    LABELS.write(run / "labels.json")
    command = ["predict", str(run), str(photos), "--maps", str(tmp_path / "maps")]
    assert cli.main(command) == 0
    assert "each label's own threshold, 0.50 to 0.60" in capsys.readouterr().out
    assert len(_rows(tmp_path / "maps")) == 3
    assert cli.main(command) == 0  # replaces its own maps
    (tmp_path / "maps/holiday.jpg").touch()
    before = sorted((tmp_path / "maps").iterdir())
    assert cli.main(command) == 2
    assert (
        "it also holds holiday.jpg. Move that away, or name" in capsys.readouterr().err
    )
    assert sorted((tmp_path / "maps").iterdir()) == before
    assert cli.main([*command, "--runtime", "tflite"]) == 2
    assert "`maps` must come without labels" in capsys.readouterr().err
    assert cli.main([*command[:-1], str(photos)]) == 2
