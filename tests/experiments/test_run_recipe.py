import json
from pathlib import Path

import pytest

from kmlic.experiments import TrainingSettings, parse_settings, run_recipe
from kmlic.labels import Labels
from kmlic.training import STOPPED

PRESETS = {"": TrainingSettings(), "paper": TrainingSettings(epochs=90)}


def test_flags_override_a_preset():
    settings = parse_settings(PRESETS, ["--paper", "--seeds", "1", "2"])
    assert (settings.epochs, settings.seeds) == (90, (1, 2))
    assert settings.folder == Path("saved_models/run_paper")
    assert parse_settings(PRESETS, []) == TrainingSettings()


def test_two_presets_are_refused(capsys):
    presets = {**PRESETS, "trial": TrainingSettings(epochs=1)}
    with pytest.raises(SystemExit) as stop:
        parse_settings(presets, ["--paper", "--trial"])
    assert stop.value.code == 2
    assert "use one preset; got --paper --trial" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epoch", "4"], "--epoch"),
        (["--epochs", "four"], "four"),
        (["--epochs", "0"], "epochs=0"),
        (["--seeds"], "seeds=()"),
        (["--batch_size", "1000000"], "batch_size=1000000"),
        (["--fractions", "nan", "0.5", "0.5"], "fractions=nan"),
    ],
)
def test_a_wrong_flag_is_reported_in_one_sentence(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_settings(PRESETS, arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_an_error_of_kmlic_is_one_sentence(tmp_path, capsys):
    def main(settings):
        Labels.read(tmp_path / "labels.json")

    assert run_recipe(main, PRESETS, []) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "labels.json" in message
    assert message.count("\n") == 1


def test_an_error_from_elsewhere_keeps_its_traceback():
    def main(settings):
        json.loads("{four")

    with pytest.raises(ValueError, match="property name"):
        run_recipe(main, PRESETS, [])


def test_ctrl_c_says_how_to_resume(capsys):
    def main(settings):
        raise KeyboardInterrupt

    assert run_recipe(main, PRESETS, []) == 130
    assert "run the same command to resume" in capsys.readouterr().err


def test_sigterm_has_its_own_exit_code(capsys):
    def main(settings):
        raise SystemExit(STOPPED)

    with pytest.raises(SystemExit) as stopped:
        run_recipe(main, PRESETS, [])
    assert stopped.value.code == 75
    assert "stopped: run the same command" in capsys.readouterr().err
