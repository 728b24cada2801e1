import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.training.open_log import open_log, require_log


def train(callbacks):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = np.ones((4, 2)), np.ones((4, 1))
    model.fit(*data, epochs=2, verbose=0, callbacks=callbacks)
    return model


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


def test_wandb_gets_settings_and_its_own_callback(tmp_path, monkeypatch):
    made = []

    class Opened:
        def __enter__(self):
            made.append("opened")
            return self

        def log(self, metrics):
            made.append(metrics)

        def __exit__(self, *_):
            made.append("closed")

    class Module:
        def __init__(self, **members):
            vars(self).update(members)

    wandb = Module(init=lambda **options: made.append(options) or Opened())
    logger = Module(WandbMetricsLogger=keras.callbacks.Callback)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "wandb.integration", Module())
    monkeypatch.setitem(sys.modules, "wandb.integration.keras", logger)
    with open_log("wandb", title="x", folder=tmp_path, settings={"a": 1}) as log:
        assert [type(each) for each in log.callbacks] == [keras.callbacks.Callback]
        log.write({"mAP": 0.25})
    opened = {"name": "x", "config": {"a": 1}}
    assert made == [opened, "opened", {"mAP": 0.25}, "closed"]


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_names_the_extra_that_is_missing(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"pip install kmlic\[{name}\]"):
        require_log(name)


def test_refuses_another_log():
    with pytest.raises(ValueError, match="log"):
        require_log("comet")
