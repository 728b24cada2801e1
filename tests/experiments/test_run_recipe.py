import gc
import json
import signal
from pathlib import Path

import pytest

from kmlic.experiments import TrainingSettings, parse_settings, run_recipe
from kmlic.labels import Labels
from kmlic.on_sigterm import STOPPED
from kmlic.run_folder import RunFolder

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


@pytest.mark.parametrize("state", [None, "step"])
def test_sigterm_at_any_time_leaves_a_run_to_resume_or_none(tmp_path, state, capsys):
    def main(settings):
        folder = RunFolder(settings.folder)
        folder.begin({})
        if state is not None:
            folder.trainings.mkdir()
            (folder.trainings / state).touch()
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped:
        run_recipe(main, PRESETS, ["--folder", str(tmp_path / "run")])
    assert stopped.value.code == STOPPED == 143
    del stopped
    gc.collect()
    assert "stopped: run the same command" in capsys.readouterr().err
    left = [] if state is None else [".run.working"]
    assert [path.name for path in tmp_path.iterdir()] == left


def test_wrong_arguments_are_shown_escaped(capsys):
    for words in (["--rows\x1b[31m"], ["--epochs", "\u202e3"], ["\x9b31m"]):
        with pytest.raises(SystemExit):
            parse_settings(PRESETS, words)
        message = capsys.readouterr().err
        assert not {"\x1b", "\u202e", "\x9b"} & set(message)
        assert any(mark in message for mark in ("x1b[31m", "u202e3", "x9b31m"))
    found = parse_settings(PRESETS, ["--data_dir", "caf\x1b"])
    assert found.data_dir == Path("caf\x1b")
