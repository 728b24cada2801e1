import dataclasses
import json

import keras
import numpy as np
import pytest

from kmlic.experiments import evaluate_run
from kmlic.experiments.load_split import load_split
from kmlic.labels import Labels
from kmlic.predict import load_scorer, predict_paths, read_boxes
from recipes.deepfashion_attributes import (
    PRESETS,
    TABLE,
    Settings,
    main,
    make_loss,
    make_rows,
)
from tests.datasets.deepfashion_files import write_challenge


def test_rows_are_the_model_its_anchor_and_what_flags_add():
    assert list(make_rows(Settings())) == ["attributes", "anchor"]
    assert list(make_rows(Settings(anchor=False))) == ["attributes"]
    rows = make_rows(Settings(claims=True))
    assert rows["4 FC"].fc_layers == 4 and rows["4 FC"].loss == "focal"
    assert rows["cross entropy"].loss == "cross_entropy"
    assert not {"no crop", "attributes", "anchor"} & set(rows)
    photos = dataclasses.replace(PRESETS["photos"], claims=True, epochs=3)
    rows = make_rows(photos)
    assert rows["no crop"].crop is False
    assert {(row.members, row.margin, row.epochs) for row in rows.values()} == {
        (1, 0.0, 3)
    }
    table = make_rows(Settings(table=True, table_epochs=3))
    assert list(table) == list(TABLE)
    assert table["seresnet50, 2 FC"].epochs == 3


def test_the_anchor_on_photos_is_plain_fine_tuning():
    anchor = make_rows(PRESETS["photos"])["anchor"]
    assert (anchor.epochs, anchor.learning_rate, anchor.members) == (5, 5e-4, 1)
    assert (anchor.loss, anchor.margin, anchor.zooms) == ("cross_entropy", 0, (1.0,))
    assert anchor.frozen_until == "block_12_add"


@pytest.mark.parametrize(
    ("loss", "option"),
    [
        ("cross_entropy", "gamma"),
        ("weighted_focal", "group_weights"),
        ("class_balanced", "label_weights"),
    ],
)
def test_the_loss_is_the_one_the_settings_name(loss, option):
    groups = {f"g{i}": (f"a{i}", f"b{i}") for i in range(6)}
    names = [name for members in groups.values() for name in members]

    class Data:
        labels = Labels(names, groups, exclusive=True)
        train_targets = np.tile([1, 0], (4, 6))

    made = make_loss(Settings(loss=loss, prior_strength=0.5), Data, None)
    expected = 0 if loss == "cross_entropy" else 2
    assert made.gamma == expected
    assert getattr(made, option) is not None
    np.testing.assert_allclose(made.log_priors[:2], 0.5 * np.log([4 / 5, 1 / 5]))


@pytest.mark.slow
def test_a_submission_has_one_class_per_group_for_each_test_image(tmp_path):
    folder = write_challenge(tmp_path / "challenge")
    settings = Settings(
        dataset="deepfashion",
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
