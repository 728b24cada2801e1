import csv
import dataclasses
import sys

import keras
import numpy as np
import pytest

from kmlic.data import DatasetSpec
from kmlic.evaluation import Report, choose_thresholds, report_scores
from kmlic.experiments import Experiment, finish_run
from kmlic.html_report import Section
from kmlic.labels import Labels
from kmlic.losses import PartialBinaryCrossentropy
from kmlic.run_folder import Run
from kmlic.training import CachedFeatures, predict_scores
from kmlic.words import load_word_vectors, train_word_vectors
from tests.toys import LABELS, toy_data, toy_model, toy_settings


def _train(experiment, name="model", build=toy_model):
    for seed in experiment.settings.seeds:
        experiment.train(name, seed, build, toy_data())


def test_leaves_a_complete_run_folder(tmp_path, capsys):
    experiment = Experiment("toy", toy_settings(tmp_path / "run"))
    _train(experiment)
    experiment.show()
    own = Section("Ablation", "What the recipe adds.")
    run = finish_run(experiment, "model", sections=[own])

    assert (
        "toy on toy, test split: 40 images, 2 seeds, in percent"
        in capsys.readouterr().out
    )
    assert Run.read(tmp_path / "run" / "run.json").results == run.results
    values = [run.seeds[seed]["test"]["model"]["mAP"] for seed in ("0", "1")]
    assert run.results["test"]["model"]["mAP"] == pytest.approx(np.mean(values))
    assert run.deviations["test"]["model"]["mAP"] == pytest.approx(
        np.std(values, ddof=1)
    )
    assert run.results["test"]["model"]["mAP"] > 0.7
    labels = Labels.read(tmp_path / "run" / "labels.json")
    labels.require_same_names(LABELS)
    best = experiment.best_of("model")
    np.testing.assert_allclose(
        labels.thresholds, choose_thresholds(*best.scores["validation"]).thresholds
    )
    expected = report_scores(*best.scores["test"], labels).metrics
    assert run.tuned["test"]["model"] == expected
    with (tmp_path / "run" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["seed"], row["epoch"]) for row in rows] == [
        ("model", seed, epoch) for seed in "01" for epoch in "12"
    ]
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<h1>toy: toy</h1>" in report and "What the recipe adds." in report
    assert set(run.exports) == {"export/1", "model.tflite"}
    assert all(difference < 1e-4 for difference in run.exports.values())
    assert (
        keras.saving.load_model(tmp_path / "run" / "model.keras").count_params() == 12
    )
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_takes_reports_on_other_images_and_another_export(tmp_path, capsys):
    experiment = Experiment("toy", toy_settings(tmp_path / "run"))
    _train(experiment)
    for seed, value in ((0, 0.5), (1, 0.7)):
        both = {"similarity": value, "bias": np.nan}
        experiment.add_report("zero_shot", "model", seed, Report(both, {}, 7))

    def export(model, folder, data):
        (folder / "own.txt").write_text(f"{model.count_params()} {data.sizes['test']}")
        return {"own.txt": 1e-7}

    experiment.show("zero_shot")
    vocabulary = train_word_vectors(["a red dress", "a blue dress"], size=4)
    run = finish_run(experiment, "model", export=export, words=vocabulary)
    kept = load_word_vectors(tmp_path / "run" / "words.npz")
    np.testing.assert_array_equal(kept["dress"], vocabulary["dress"])

    assert "toy, zero_shot split: 7 images" in capsys.readouterr().out
    found = run.results["zero_shot"]["model"]
    assert found == {"similarity": pytest.approx(0.6), "bias": None}
    spread = run.deviations["zero_shot"]["model"]["similarity"]
    assert spread == pytest.approx(0.2 / 2**0.5)
    assert run.seeds["1"]["zero_shot"]["model"] == {"similarity": 0.7}
    assert run.exports == {"own.txt": 1e-7}
    assert (tmp_path / "run" / "own.txt").read_text() == "12 40"
    assert not (tmp_path / "run" / "export").exists()


def test_a_model_trained_on_features_is_exported_with_its_extractor(tmp_path):
    images = keras.Input((8, 8, 3), name="images")
    lower = keras.Model(images, keras.layers.Rescaling(1 / 255)(images))
    data = toy_data()
    features = CachedFeatures(lower, data, tmp_path / "features")

    def build():
        maps = keras.Input(features.shapes[0])
        pooled = keras.layers.GlobalAveragePooling2D()(maps)
        model = keras.Model(maps, keras.layers.Dense(3, name="logits")(pooled))
        model.compile(keras.optimizers.SGD(0.5), PartialBinaryCrossentropy())
        return model

    experiment = Experiment("toy", toy_settings(tmp_path / "run", seeds=(0,)))
    loaded = features.load(batch_size=8)
    trained = experiment.train("m", 0, build, loaded, join=features.join)
    assert experiment.data[0] is data
    run = finish_run(experiment, "m")

    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert model.input_shape == (None, 8, 8, 3)
    assert all(difference < 1e-4 for difference in run.exports.values())
    _, expected = predict_scores(model, data.test)
    np.testing.assert_allclose(trained.scores["test"][1], expected, atol=1e-3)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_trains_with_moving_averages_and_mixed_precision(tmp_path, precision):
    settings = toy_settings(
        tmp_path / "run", seeds=(0,), precision=precision, ema=0.5, accumulate=2
    )
    experiment = Experiment("toy", settings)
    seen = []

    def build():
        model = toy_model()
        seen.append((model, model.layers[1].compute_dtype))
        return model

    experiment.train("model", 0, build, toy_data())
    run = finish_run(experiment, "model")
    model, dtype = seen[0]
    assert f"mixed_{dtype}" == precision
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 10
    assert keras.config.dtype_policy().name == "float32"
    kept = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert {layer.compute_dtype for layer in kept.layers} == {"float32"}
    assert run.weights.startswith("moving averages (momentum 0.5), batch norm")
    assert all(difference < 1e-4 for difference in run.exports.values())


def test_records_how_the_exported_row_reads_its_images(tmp_path):
    experiment = Experiment("toy", toy_settings(tmp_path / "run", seeds=(0,)))
    for name, margin in (("model", 0.1), ("other", 0.0)):
        spec = DatasetSpec("toy", "here", 0, {"margin": margin})
        data = dataclasses.replace(toy_data(), spec=spec)
        experiment.train(name, 0, toy_model, data)
    run = finish_run(experiment, "model", export=lambda *arguments: {})
    described = run.data["seeds"]["0"]
    assert described["spec"]["options"] == {"margin": 0.1}
    assert described["splits"]["train"] == {
        "images": 40,
        "fingerprint": toy_data().fingerprints["train"],
    }
    assert run.data["exported"] == {"model": "model", "seed": 0}


def test_groups_are_not_divided_to_tune_thresholds(tmp_path, monkeypatch):
    asked = []

    def choose(*scores, groups):
        asked.append(groups)
        return choose_thresholds(*scores, groups=groups)

    file = sys.modules["kmlic.experiments.finish_run"]
    monkeypatch.setattr(file, "choose_thresholds", choose)
    experiment = Experiment("toy", toy_settings(tmp_path / "run", seeds=(0,)))
    groups = {
        split: tuple(f"{row // 2}" for row in range(size))
        for split, size in toy_data().sizes.items()
    }
    data = dataclasses.replace(toy_data(), groups=groups)
    experiment.train("model", 0, toy_model, data)
    finish_run(experiment, "model", export=lambda *arguments: {})
    assert asked == [groups["validation"]]
