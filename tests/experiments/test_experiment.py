import dataclasses
import gc
import inspect
import json
import random
import sys
import time

import keras
import numpy as np
import pytest

from kmlic.evaluation import Report
from kmlic.experiments import Experiment, finish_run
from kmlic.experiments import experiment as experiment_module
from kmlic.labels import Labels
from kmlic.run_folder import Run
from kmlic.training import fit
from kmlic.training.time_precisions import (
    time_precisions as time_precisions_of_training,
)
from tests.toys import LABELS, add_toy_row, toy_data, toy_model, toy_settings


def _train(experiment, name="model", build=toy_model):
    for seed in experiment.settings.seeds:
        experiment.train(name, seed, build, toy_data())


def test_resumes_with_the_missing_trainings(tmp_path):
    settings = toy_settings(tmp_path / "run")
    interrupted = Experiment("toy", settings)
    interrupted.train("model", 0, toy_model, toy_data())
    built = []

    def build():
        built.append(1)
        return toy_model()

    again = Experiment("toy", settings)
    _train(again, build=build)
    assert len(built) == 1
    assert len(again.trained["model"]) == 2
    first, second = interrupted.trained["model"][0], again.trained["model"][0]
    np.testing.assert_array_equal(first.scores["test"][1], second.scores["test"][1])


def test_the_seed_exported_is_the_best_on_validation(tmp_path):
    experiment = Experiment("toy", toy_settings(tmp_path / "run"))
    _train(experiment)
    targets = np.array([[1, 0, 1], [0, 1, 0]])
    good, bad = (targets * 0.8, targets), (1 - targets * 0.8, targets)
    for seed, validation, test in ((0, bad, good), (1, good, bad)):
        experiment.add_scores(
            "model", seed, {"validation": validation[::-1], "test": test[::-1]}
        )
    assert experiment.best_of("model").seed == 1


def test_other_labels_than_before_are_refused(tmp_path):
    experiment = Experiment("toy", toy_settings(tmp_path / "run"))
    experiment.train("model", 0, toy_model, toy_data())
    other = toy_data(labels=Labels(("red", "green", "violet")))
    with pytest.raises(ValueError, match="label 2 is 'blue' here and 'violet' there"):
        experiment.train("model", 1, toy_model, other)


def test_other_data_than_an_interrupted_training_had_is_refused(tmp_path):
    settings = toy_settings(tmp_path / "run")
    Experiment("toy", settings).train("model", 0, toy_model, toy_data())
    with pytest.raises(ValueError, match=r"model-0 holds .* on other data"):
        Experiment("toy", settings).train("model", 0, toy_model, toy_data(48))


def test_other_settings_than_the_interrupted_run_are_refused(tmp_path):
    interrupted = Experiment("toy", toy_settings(tmp_path / "run"))
    interrupted.train("model", 0, toy_model, toy_data())
    with pytest.raises(ValueError, match="epochs: 2 there, 3 here"):
        Experiment("toy", toy_settings(tmp_path / "run", epochs=3))
    assert json.loads((tmp_path / ".run.working" / "settings.json").read_text())


def test_other_settings_than_the_finished_run_are_refused(tmp_path):
    settings = toy_settings(tmp_path / "run", seeds=(0,))
    for _ in range(2):  # the same ones replace it
        experiment = Experiment("toy", settings)
        _train(experiment)
        finish_run(experiment)
    with pytest.raises(
        ValueError, match=r"run must be new .*\(epochs: 2 there, 3 here"
    ):
        Experiment("toy", dataclasses.replace(settings, epochs=3))


def test_other_settings_than_a_start_that_failed_are_taken(tmp_path):
    def fail():
        raise ValueError("`weights` must be a file")

    failed = Experiment("toy", toy_settings(tmp_path / "run"))
    with pytest.raises(ValueError, match="must be a file"):
        failed.train("model", 0, fail, toy_data())
    Experiment("toy", toy_settings(tmp_path / "run", epochs=3))
    del failed
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_files_is_refused_before_anything(tmp_path):
    (tmp_path / "1.jpg").touch()
    with pytest.raises(ValueError, match="it is a folder with other files"):
        Experiment("toy", toy_settings(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["1.jpg"]


def test_another_report_judges_epochs_seeds_and_splits(tmp_path):
    calls = []

    def report(targets, scores, labels):
        calls.append(labels)
        closeness = float(1 - np.abs(targets - scores).mean())
        return Report({"closeness": closeness}, {}, len(targets))

    settings = toy_settings(tmp_path / "run")
    experiment = Experiment("toy", settings, make_report=report, monitor="closeness")
    _train(experiment)
    run = finish_run(experiment)
    assert set(run.results["test"]["model"]) == {"closeness"} and not run.tuned
    epochs = experiment.trained["model"][0].epochs
    assert [set(values) for values in epochs] == [{"loss", "val_closeness"}] * 2
    best = max(
        run.seeds, key=lambda s: run.seeds[s]["validation"]["model"]["closeness"]
    )
    assert experiment.best_of("model").seed == int(best)
    assert set(calls) == {LABELS}


def test_values_beside_the_scores_are_averaged_over_the_seeds(tmp_path):
    experiment = Experiment("toy", toy_settings(tmp_path / "run"))
    _train(experiment)
    for seed in (0, 1):
        experiment.add_metrics("model", seed, "test", {"in box": 0.5 + seed})
    run = finish_run(experiment)
    assert run.results["test"]["model"]["in box"] == 1.0
    assert run.deviations["test"]["model"]["in box"] == pytest.approx(0.5**0.5)
    assert "in box" not in run.results["validation"]["model"]


def test_another_training_function_may_be_used(tmp_path):
    experiment = Experiment("toy", toy_settings(tmp_path / "run", seeds=(0,)))
    folders = []

    def train_model(model, folder):
        folders.append(folder)
        model.get_layer("logits").bias.assign([9.0, 9.0, 9.0])
        return [{"loss": 0.5}]

    trained = experiment.train("own", 0, toy_model, toy_data(), train_model=train_model)
    assert trained.epochs == [{"loss": 0.5}]
    assert trained.scores["test"][1].min() > 0.5
    assert folders == [tmp_path / ".run.working/trainings/own-0/state"]


def test_fit_options_are_arguments_of_fit(tmp_path):
    settings = toy_settings(tmp_path / "run", ema=0.9, accumulate=2)
    options = Experiment("toy", settings).fit_options(settings, toy_data(), seed=3)
    assert set(options) <= set(inspect.signature(fit).parameters)
    assert (options["ema"], options["accumulate"], options["seed"]) == (0.9, 2, 3)
    assert options["save_seconds"] == 300.0


def test_an_average_needs_all_of_its_rows(tmp_path):
    experiment = Experiment("toy", toy_settings(tmp_path / "run", seeds=(0,)))
    experiment.data[0] = toy_data()
    add_toy_row(experiment, "a", 0.2)
    experiment.add_average("a+b", ("a", "b"), 0)
    assert "a+b" not in experiment.trained
    add_toy_row(experiment, "b", 0.6)
    experiment.add_average("a+b", ("a", "b"), 0)
    np.testing.assert_allclose(experiment.trained["a+b"][0].scores["test"][1], 0.4)


def test_undefined_metrics_are_null_and_the_loss_decides(tmp_path, caplog):
    def data():
        whole = toy_data()
        without = whole.validation.map(lambda images, marks: (images, 0 * marks))
        marks = {**whole.targets, "validation": 0 * whole.targets["validation"]}
        return dataclasses.replace(whole, validation=without, targets=marks)

    experiment = Experiment("toy", toy_settings(tmp_path / "run", epochs=3))
    for seed in (0, 1):
        experiment.train("model", seed, toy_model, data())
    losses = [
        min(values["val_loss"] for values in each.epochs)
        for each in experiment.trained["model"].values()
    ]
    assert experiment.best_of("model").seed == int(np.argmin(losses))
    run = finish_run(experiment, "model", export=lambda *_: {})
    assert caplog.text.count("val_mAP is undefined") == 2  # once for each training
    assert run.results["validation"]["model"]["mAP"] is None
    text = (tmp_path / "run/run.json").read_text()
    json.loads(text, parse_constant=pytest.fail)
    assert Run.read(tmp_path / "run/run.json").results == run.results


def test_the_values_of_epochs_are_logged_with_their_metrics(tmp_path, monkeypatch):
    event_file_loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    open_log = sys.modules["kmlic.training.open_log"]
    failed_before = {"tensorboard": time.monotonic()}  # another run of this process
    monkeypatch.setattr(open_log, "_failed_at", failed_before)
    settings = toy_settings(tmp_path / "run", seeds=(0,), log="tensorboard")
    _train(Experiment("toy", settings))
    log = next((tmp_path / "run.log").rglob("train/events*")).parent
    events = event_file_loader.EventAccumulator(str(log.parent / "validation"))
    events.Reload()
    assert "epoch_mAP" in events.Tags()["tensors"]
    assert len(events.Tensors("epoch_mAP")) == 2


def test_a_missing_log_is_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ImportError, match=r"kmlic\[mlflow\]"):
        Experiment("toy", toy_settings(tmp_path / "run", log="mlflow"))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("own", [0.5, 2.0])
def test_says_when_low_precision_is_slower_than_float32(
    tmp_path, monkeypatch, capsys, own
):
    measured = []

    def time_precisions(model, shape):
        measured.append(shape)
        return own, 1.0

    monkeypatch.setattr(experiment_module, "time_precisions", time_precisions)
    settings = toy_settings(tmp_path / "run", precision="mixed_bfloat16", seeds=(0, 1))
    experiment = Experiment("toy", settings)
    for seed in settings.seeds:
        experiment.train("model", seed, toy_model, toy_data())
    assert measured == [(settings.batch_size, 8, 8, 3)]
    said = " ".join(capsys.readouterr().out.split())
    text = "is slower than 'float32' here: a step takes 2.00 s instead of 1.00 s."
    assert (text in said) == (own > 1)


def test_low_precision_is_not_compared_for_inputs_that_are_no_images(
    tmp_path, monkeypatch
):
    def build():
        features = keras.Input((3,))
        logits = keras.layers.Dense(3, name="logits", dtype="float32")(features)
        return keras.Model(features, logits)

    monkeypatch.setattr(experiment_module, "time_precisions", None)
    monkeypatch.setattr(experiment_module, "_score_splits", lambda *_: {})
    settings = toy_settings(tmp_path / "run", precision="mixed_bfloat16")
    experiment = Experiment("toy", settings)
    trained = experiment.train(
        "pooled", 0, build, toy_data(), train_model=lambda *_: [{"loss": 0.5}]
    )
    assert trained.epochs == [{"loss": 0.5}]


def test_comparing_precisions_changes_no_random_number(tmp_path, monkeypatch):
    compared, drawn = [], []

    def time_precisions(*arguments):
        compared.append(arguments)
        return time_precisions_of_training(*arguments)

    def train_model(model, folder):
        uniform = float(keras.random.uniform(()))
        drawn.append((random.random(), np.random.rand(), uniform))
        return [{"loss": 0.5}]

    monkeypatch.setattr(experiment_module, "time_precisions", time_precisions)
    settings = toy_settings(tmp_path / "run", precision="mixed_bfloat16")
    experiment = Experiment("toy", settings)
    for name in ("first", "second"):
        experiment.train(name, 0, toy_model, toy_data(), train_model=train_model)
    assert len(compared) == 1
    np.testing.assert_array_equal(*drawn)


def test_low_precision_is_not_compared_on_several_devices(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment_module, "time_precisions", None)
    strategy = experiment_module.make_strategy("mirrored")
    assert strategy.num_replicas_in_sync > 1
    settings = toy_settings(
        tmp_path / "run", precision="mixed_bfloat16", strategy="mirrored"
    )
    Experiment("toy", settings).train(
        "a", 0, toy_model, toy_data(), train_model=lambda *_: [{"loss": 0.5}]
    )
