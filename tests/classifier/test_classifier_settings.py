from typing import get_args

import pytest

from kmlic import cli
from kmlic.classifier import ClassifierSettings
from kmlic.classifier.classifier_settings import ModelName
from kmlic.experiments.training_settings import LogName
from kmlic.loss_names import LossName, PositiveWeights


def test_the_command_takes_the_same_names():
    assert get_args(cli.Model) == get_args(ModelName)
    assert get_args(cli.LossName) == ("auto", *get_args(LossName))
    assert get_args(cli.PositiveWeights) == get_args(PositiveWeights)
    assert get_args(cli.LogName) == get_args(LogName)


def test_refuses_another_log():
    with pytest.raises(ValueError, match=r"log.*comet"):
        ClassifierSettings(log="comet")


def test_bfloat16_is_not_chosen_without_a_gpu_that_has_it(monkeypatch):
    import tensorflow as tf

    assert ClassifierSettings(precision="bfloat16").dtype_policy == "mixed_bfloat16"
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: ["gpu"])
    for capability, expected in (((7, 5), "float32"), ((9, 0), "mixed_bfloat16")):
        details = {"compute_capability": capability}
        monkeypatch.setattr(
            tf.config.experimental, "get_device_details", lambda _, d=details: d
        )
        assert ClassifierSettings().dtype_policy == expected
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    assert ClassifierSettings().dtype_policy == "float32"


@pytest.mark.parametrize("models", [("auto",), ("peaks", "fine_tuned")])
def test_auto_tries_every_model(models):
    settings = ClassifierSettings(models=models)
    assert settings.tries("peaks")
    assert settings.tries("fine_tuned")
