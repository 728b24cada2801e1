import sys

import keras
import numpy as np
import pytest

from kmlic.training.log_epochs import log_epochs, require_log


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
        with log_epochs(
            "mlflow", title="x", folder=tmp_path, settings={"epochs": 2}
        ) as callbacks:
            train(callbacks)
        client = mlflow.MlflowClient()
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.data.params["epochs"] == "2" and run.info.status == "FINISHED"
        assert len(client.get_metric_history(run.info.run_id, "loss")) == 2
    finally:
        mlflow.set_tracking_uri(before)


def test_tensorboard_writes_below_the_folder(tmp_path):
    pytest.importorskip("tensorboard")
    with log_epochs("tensorboard", title="x", folder=tmp_path, settings={}) as found:
        train(found)
    assert list((tmp_path / "x").rglob("events.out.tfevents.*"))


def test_wandb_gets_settings_and_its_own_callback(tmp_path, monkeypatch):
    made = []

    class Opened:
        def __enter__(self):
            made.append("opened")

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
    with log_epochs("wandb", title="x", folder=tmp_path, settings={"a": 1}) as found:
        assert [type(each) for each in found] == [keras.callbacks.Callback]
    assert made == [{"name": "x", "config": {"a": 1}}, "opened", "closed"]


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_names_the_extra_that_is_missing(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"pip install kmlic\[{name}\]"):
        require_log(name)


def test_refuses_another_log():
    with pytest.raises(ValueError, match="log"):
        require_log("comet")
