import importlib.machinery
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.training.open_log import open_log, retry_logs

file = sys.modules["kmlic.training.open_log"]


def train(callbacks):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = np.ones((4, 2)), np.ones((4, 1))
    model.fit(*data, epochs=2, verbose=0, callbacks=callbacks)
    return model


def use(name, settings=None):
    """Trains with a log, and writes a metric to it."""
    with open_log(name, title="x", folder=Path("run"), settings=settings or {}) as log:
        train(log.callbacks)
        log.write({"mAP": 0.25})


@pytest.mark.filterwarnings("ignore")
def test_mlflow_records_settings_and_the_values_of_every_epoch(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tmp_path.as_uri())
    try:
        experiment = mlflow.set_experiment("kmlic")
        with open_log(
            "mlflow", title="x", folder=tmp_path, settings={"epochs": 2}
        ) as log:
            train(log.callbacks)
            log.write({"test/mAP of a b": 0.25})
        client = mlflow.MlflowClient()
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.data.params["epochs"] == "2" and run.info.status == "FINISHED"
        assert len(client.get_metric_history(run.info.run_id, "loss")) == 2
        assert run.data.metrics["test/mAP of a b"] == 0.25
    finally:
        mlflow.set_tracking_uri(before)


def test_tensorboard_writes_beside_the_folder(tmp_path):
    loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    folder = tmp_path / "run"
    with open_log("tensorboard", title="x", folder=folder, settings={}) as log:
        train(log.callbacks)
        log.write({"test/mAP": 0.25})
    assert list((tmp_path / "run.log/x/train").glob("events.out.tfevents.*"))
    events = loader.EventAccumulator(str(tmp_path / "run.log/x"))
    events.Reload()
    (event,) = events.Tensors("test/mAP")
    assert tf.make_ndarray(event.tensor_proto) == 0.25


class Wandb:
    """Stands for wandb, and notes what it is asked for."""

    def __init__(self, monkeypatch, *, fails=()):
        self.calls, self.fails = [], fails
        for name in ("wandb", "wandb.integration", "wandb.integration.keras"):
            module = types.ModuleType(name)
            module.__spec__ = importlib.machinery.ModuleSpec(name, None)
            monkeypatch.setitem(sys.modules, name, module)
        module.WandbMetricsLogger = self.make_callback
        sys.modules["wandb"].init = self.init
        monkeypatch.setattr(file, "_failed_at", {})

    def call(self, name, value=None):
        self.calls.append((name, value))
        if name in self.fails:
            raise ConnectionError(f"no\n{name}")

    def init(self, **options):
        self.call("init", options)
        return self

    def make_callback(self):
        return keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: self.call("epoch", epoch)
        )

    def __enter__(self):
        return self

    def log(self, metrics):
        self.call("log", metrics)

    def __exit__(self, kind, error, _):
        self.call("closed", kind)


def test_wandb_gets_settings_and_its_own_callback(monkeypatch):
    wandb = Wandb(monkeypatch)
    use("wandb", settings={"a": 1})
    assert wandb.calls == [
        ("init", {"name": "x", "config": {"a": 1}}),
        *[("epoch", 0), ("epoch", 1), ("log", {"mAP": 0.25}), ("closed", None)],
    ]


@pytest.mark.parametrize("fails", ["init", "epoch", "log", "closed"])
def test_a_log_that_fails_is_named_once_and_stops_nothing(monkeypatch, caplog, fails):
    wandb = Wandb(monkeypatch, fails=(fails, "closed"))
    for _ in range(2):
        use("wandb")
    text = f"The training continues without sending values to wandb: no {fails}"
    assert [each for each in caplog.messages if "wandb" in each] == [text]
    calls = [name for name, _ in wandb.calls]
    assert calls.count(fails) == 1 and calls.count("closed") == (fails != "init")
    retry_logs()
    use("wandb")
    assert [name for name, _ in wandb.calls].count("init") == 2
    monkeypatch.setattr(file, "_RETRY_SECONDS", 0.0)
    use("wandb")
    assert [name for name, _ in wandb.calls].count("init") == 3


def test_the_log_is_told_of_the_error_of_a_training(monkeypatch):
    wandb = Wandb(monkeypatch)
    with (
        pytest.raises(KeyboardInterrupt),
        open_log("wandb", title="x", folder=Path("run"), settings={}),
    ):
        raise KeyboardInterrupt
    assert wandb.calls[-1] == ("closed", KeyboardInterrupt)


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_names_the_extra_that_is_missing(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"kmlic\[{name}\]"):
        use(name)


def test_refuses_another_log():
    with pytest.raises(ValueError, match="log"):
        use("comet")
