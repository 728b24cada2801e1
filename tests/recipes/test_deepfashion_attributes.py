import dataclasses
import json

import keras
import numpy as np
import pytest

from kmlic.experiments import choose_rows, evaluate_run
from kmlic.experiments.load_split import load_split
from kmlic.predict import load_scorer, predict_paths, read_boxes
from recipes.deepfashion_attributes import PRESETS, Settings, main, make_table
from tests.datasets.deepfashion_files import write_challenge


def rows_of(settings):
    table = make_table(settings)
    return choose_rows(settings, table, table)


def test_rows_are_those_of_the_grid():
    assert list(make_table(Settings()))[:3] == ["attributes", "anchor", "one member"]
    rows = rows_of(Settings(grid="claims"))
    assert rows["4 FC"].fc_layers == 4 and rows["4 FC"].loss == "focal"
    assert rows["cross entropy"].loss == "cross_entropy"
    assert not {"no crop", "attributes", "anchor"} & set(rows)
    photos = dataclasses.replace(PRESETS["photos"], grid="claims", epochs=3)
    rows = rows_of(photos)
    assert rows["no crop"].crop is False
    assert {(row.members, row.margin, row.epochs) for row in rows.values()} == {
        (1, 0.0, 3)
    }
    table = rows_of(Settings(grid="table", epochs=3))
    assert len(table) == 9
    assert table["seresnet50, 2 FC"].epochs == 3


def test_the_anchor_on_photos_is_plain_fine_tuning():
    anchor = rows_of(PRESETS["photos"])["anchor"]
    assert (anchor.epochs, anchor.learning_rate, anchor.members) == (5, 5e-4, 1)
    assert (anchor.loss, anchor.margin, anchor.zooms) == ("cross_entropy", 0, (1.0,))
    assert anchor.frozen_until == "block_12_add"


@pytest.mark.slow
def test_a_submission_has_one_class_per_group_for_each_test_image(tmp_path):
    folder = write_challenge(tmp_path / "challenge")
    settings = Settings(
        dataset="deepfashion_attributes",
        data_dir=folder,
        image_size=32,
        batch_size=8,
        frozen_until="layer1.0.act3",
        cache_frozen=True,
        head_epochs=1,
        epochs=2,
        loss="learned",
        margin=0.2,
        members=2,
        zooms=(1.0, 0.8),
        average_flips=True,
        augmentation="flip+mixup",
        folder=tmp_path / "run",
        submission=tmp_path / "answers.txt",
    )
    run = main(settings)
    lines = (tmp_path / "answers.txt").read_text().splitlines()
    classes = np.array([line.split() for line in lines], int)
    assert classes.shape == (5, 6)
    assert (classes < [7, 3, 3, 4, 6, 3]).all()
    assert set(run.results["test"]) == {"attributes", "anchor", "majority class"}
    assert "accuracy/sleeve" in run.results["test"]["attributes"]
    saved = json.loads((tmp_path / "run/labels.json").read_text())
    assert saved["exclusive"] is True
    model = keras.saving.load_model(tmp_path / "run/model.keras", compile=False)
    assert model.output_shape == (None, 26)
    again = evaluate_run(tmp_path / "run")  # with the margin around the boxes
    assert again.metrics == pytest.approx(run.results["test"]["attributes"])
    for name in ("train", "train_bbox", "train_attr"):
        (folder / f"split/{name}.txt").unlink()
    assert evaluate_run(tmp_path / "run").metrics == again.metrics
    lines = (folder / "split/val.txt").read_text().splitlines()
    boxes = "".join(f"{line},5,2,25,38\n" for line in lines)
    (folder / "boxes.csv").write_text("path,x1,y1,x2,y2\n" + boxes)
    rows = predict_paths(
        tmp_path / "run",
        [folder / line for line in lines],
        boxes=read_boxes(folder / "boxes.csv", margin=0.2),
    )
    scores = load_scorer(tmp_path / "run").score_dataset(
        load_split(tmp_path / "run", "test")
    )[1]
    np.testing.assert_allclose([row.probabilities for row in rows], scores, atol=1e-5)
