import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import MultiLabelData
from kmlic.experiments import Trained
from kmlic.labels import Labels
from kmlic.run_folder import Run
from recipes import semantic_resnest as recipe

NAMES = ("dot", "stripe")
SETTINGS = recipe.Settings(image_size=32, seeds=(3,))


def data(names=NAMES, present=1, size=32):
    images = tf.data.Dataset.from_tensors((tf.zeros((1, size, size, 3)), [[1.0, 0.0]]))
    targets = {split: np.array([[present, 0]], "int8") for split in recipe_splits()}
    labels = Labels(names, image_size=size)
    return MultiLabelData(images, images, images, labels, targets=targets)


def recipe_splits():
    return ("train", "validation", "test")


def stage_in(folder, **changes):
    settings = dataclasses.replace(SETTINGS, stage_one=folder, **changes)
    return recipe.stage_of(settings, seed=3)


@pytest.fixture
def stage(tmp_path):
    """A folder of stage one without its model."""
    stage = stage_in(tmp_path)
    stage.folder.mkdir()
    data().labels.write(stage.folder / "labels.json")
    settings = json.loads(json.dumps(dataclasses.asdict(stage), default=str))
    prints = {"3": data().fingerprint}
    Run(
        "semantic_resnest",
        "python",
        settings,
        {"fingerprints": prints},
        *({} for _ in range(7)),
    ).write(stage.folder / "run.json")
    return stage


def test_takes_stage_one_where_labels_data_and_settings_match(stage):
    assert recipe.find_difference(stage, data()) is None


def test_the_classifier_s_settings_do_not_matter_to_stage_one(stage, tmp_path):
    for changes in ({"epochs": 99}, {"embedding_channels": 3}, {"hidden_units": ()}):
        assert recipe.find_difference(stage_in(tmp_path, **changes), data()) is None


def test_says_why_stage_one_does_not_match(stage, tmp_path):
    other = stage_in(tmp_path, image_size=64, generator_epochs=2)
    difference = recipe.find_difference(other, data())
    assert f"epochs={SETTINGS.generator_epochs} there, 2 here" in difference
    assert "image_size=32 there, 64 here" in difference
    assert "'dot' there" in recipe.find_difference(stage, data(("dots", "stripe")))
    assert "other images" in recipe.find_difference(stage, data(present=0))
    assert "no " in recipe.find_difference(stage_in(tmp_path / "absent"), data())


def test_refuses_a_stage_one_that_was_named_and_does_not_match(stage, monkeypatch):
    monkeypatch.setattr(recipe, "load", lambda *_: data(("dots", "stripe")))
    settings = dataclasses.replace(SETTINGS, stage_one=stage.folder.parent)
    with pytest.raises(ValueError, match=r"`stage_one`.*other labels.*'dot'"):
        recipe.find_generator(settings, seed=3)


def test_the_ablations_are_the_paper_s_and_its_next_step():
    rows = recipe.rows_of(dataclasses.replace(SETTINGS, ablations=True))
    main = rows.pop(recipe.MAIN)
    changed = {
        name: {k for k, v in vars(row).items() if v != getattr(main, k)}
        for name, row in rows.items()
    }
    assert changed == {
        "resized": {"embedding"},
        "from the baseline": {"start"},
        "plain backbone": {"backbone"},
        "3 channels": {"embedding_channels"},
        "end to end": {"generator"},
    }
    assert list(recipe.rows_of(SETTINGS)) == [recipe.MAIN]
    few = dataclasses.replace(SETTINGS, ablations=True, rows=("resized",))
    assert list(recipe.rows_of(few)) == [recipe.MAIN, "resized"]
    assert list(recipe.baselines_of(few)) == ["baseline"]


def test_the_ablations_have_a_baseline_that_trains_as_long_as_both_stages():
    settings = dataclasses.replace(
        SETTINGS, ablations=True, epochs=4, generator_epochs=3
    )
    baselines = recipe.baselines_of(settings)
    assert {name: row.epochs for name, row in baselines.items()} == {
        "baseline": 4,
        recipe.LONGER: 7,
    }
    assert list(recipe.baselines_of(SETTINGS)) == ["baseline"]


def test_slows_the_backbones_and_nothing_else():
    settings = dataclasses.replace(
        SETTINGS,
        backbone_multiplier=0.1,
        generator="joint",
        backbone="small_resnet",
        image_size=64,
        hidden_units=(8,),
    )
    model = recipe.build(settings, data(size=64), None)
    slowed = model.optimizer.multipliers
    own = {weight.path for weight in model.trainable_variables} - set(slowed)
    assert {path.split("/")[0] for path in own} == {
        "activation_maps",
        "semantic_embedding",
        "hidden_1",
        "classifier_logits",
    }
    assert set(slowed.values()) == {0.1} and "conv1/kernel" in slowed


def test_a_guided_classifier_may_begin_with_what_the_baseline_has_learned(tmp_path):
    settings = dataclasses.replace(SETTINGS, backbone="small_resnet")
    baseline = recipe.build_baseline(settings, data())
    baseline.save(tmp_path / "model.keras")
    trained = Trained("baseline", 3, {}, [], 0, 0.0, tmp_path / "model.keras")
    weights = recipe.write_backbone(settings, trained)
    settings = dataclasses.replace(settings, weights=str(weights))
    learned = baseline.get_layer("small_resnet").weights
    guided = recipe.make_backbone(settings, "small_resnet", channels=4).weights
    for before, after in zip(learned, guided, strict=True):
        value = after.numpy()
        if value.shape != before.shape:
            assert value.shape[2] == 4 and not value[:, :, 3].any()
            value = value[:, :, :3]
        np.testing.assert_array_equal(value, before)


def test_writes_a_deviation_only_of_several_seeds_and_nothing_of_the_unknown():
    assert recipe.spread(np.array([0.123])) == "12.3"
    assert recipe.spread(np.array([0.1, 0.3])) == "20.0 ± 14.1"
    assert recipe.spread(np.array([np.nan, 0.3])) == "-"


def test_refuses_a_generator_that_normalises_otherwise_before_it_is_trained(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(recipe, "load", lambda *_: data(size=64))
    monkeypatch.setattr(recipe, "train", lambda *_: pytest.fail("trained"))
    settings = dataclasses.replace(
        SETTINGS,
        image_size=64,
        generator_backbone="small_resnet",
        backbone="mobilenet_v2",
        folder=tmp_path / "run",
    )
    with pytest.raises(ValueError, match=r"normalise pixels.*0\.00784314"):
        recipe.find_generator(settings, seed=3)
