import dataclasses
import sys
from pathlib import Path

import pytest

from kmlic.classifier import ClassifierSettings
from kmlic.packaged_weights import PACKAGES


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("backbone", "nonsense", "`backbone` must be one of 'auto'"),
        ("models", ("peak",), "`models` must be one of 'auto', 'logistic_regression'"),
        ("models", (), "`models` must be one of"),
        ("loss", "mse", "`loss` must be one of 'auto', 'crossentropy'"),
        ("positive_weights", "all", "`positive_weights` must be one of 'none'"),
        ("metric", "recall", "`metric` must be one of None, 'mAP'"),
        ("log", "comet", "`log` must be one of 'none', .*got log='comet'"),
        ("precision", "float16", "`precision` must be one of 'auto', 'float32'"),
        ("fractions", (0.5, 0.2, 0.2), "`fractions` must be three numbers"),
        ("fractions", (0.0, 0.5, 0.5), r"`fractions\[0\]` must be above 0"),
        ("on_error", "stop", "`on_error` must be one of 'raise', 'skip'"),
        ("minutes", 0.0, "`minutes` must be above 0"),
        ("image_size", 8, "`image_size` must be at least 32"),
        ("image_size", 1025, "`image_size` must be at least 32 and at most 1024"),
    ],
)
def test_refuses_what_is_no_choice_or_out_of_its_limits(setting, value, message):
    with pytest.raises(ValueError, match=message):
        ClassifierSettings(**{setting: value})


@pytest.mark.parametrize(
    ("test", "groups", "fractions", "got"),
    [
        (Path("test.csv"), None, None, "got test=test.csv. Leave out --test"),
        ({"a": "b" * 999}, None, None, "got a dict. Leave out --test"),
        (None, {"a": ("b" * 999,)}, None, "got a dict. Leave out --groups"),
        (None, None, (0.5, 0.2, 0.3), r"got fractions=\(0.5, 0.2, 0.3\). Leave"),
    ],
)
def test_names_the_option_that_a_dataset_cannot_have(test, groups, fractions, got):
    settings = ClassifierSettings(fractions=fractions)
    with pytest.raises(ValueError, match=got):
        settings.check_dataset(test, groups)


@pytest.mark.parametrize(
    ("options", "module", "extra"),
    [
        ({"log": "mlflow"}, "mlflow", "mlflow"),
        ({"backbone": "keras_hub:x"}, "keras_hub", "hub"),
        ({"backbone": "resnet50"}, "huggingface_hub", "hub"),
    ],
)
def test_names_the_extra_that_is_missing(monkeypatch, options, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"kmlic\[{extra}\]"):
        ClassifierSettings(**options).require_files()


def test_names_the_extra_of_packaged_weights(monkeypatch):
    name = "efficientnet_lite2"
    absent = dataclasses.replace(PACKAGES[name], distribution="kmlic-absent")
    monkeypatch.setitem(PACKAGES, name, absent)
    with pytest.raises(ImportError, match=r"kmlic\[lite2\]"):
        ClassifierSettings(backbone=name).require_files()
    ClassifierSettings(backbone=name, weights=None).require_files()


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
