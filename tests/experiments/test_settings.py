import dataclasses
import inspect

import pytest

from kmlic.experiments import TrainingSettings, parse_settings, run_recipe
from kmlic.labels import Labels
from kmlic.training import STOPPED, fit


@dataclasses.dataclass(frozen=True)
class Settings:
    epochs: int = 3
    seeds: tuple[int, ...] = (0,)
    paper: bool = False


PRESETS = {"paper": Settings(epochs=90, paper=True)}


def test_a_preset_gives_way_to_single_flags():
    settings = parse_settings(Settings, PRESETS, ["--paper", "--seeds", "1", "2"])
    assert settings == Settings(90, (1, 2), True)
    assert parse_settings(Settings, PRESETS, []) == Settings()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--epoch", "4"], "--epoch"), (["--epochs", "four"], "four")],
)
def test_a_wrong_flag_ends_with_a_sentence(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_settings(Settings, PRESETS, arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_an_error_of_kmlic_is_one_sentence(tmp_path, capsys):
    def main(settings):
        Labels.read(tmp_path / "labels.json")

    assert run_recipe(main, Settings, arguments=[]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "labels.json" in message
    assert message.count("\n") == 1


def test_an_error_from_elsewhere_keeps_its_traceback():
    def main(settings):
        int("four")

    with pytest.raises(ValueError, match="four"):
        run_recipe(main, Settings, arguments=[])


def test_ctrl_c_says_that_nothing_is_lost(capsys):
    def main(settings):
        raise KeyboardInterrupt

    assert run_recipe(main, Settings, arguments=[]) == 130
    assert "goes on from here" in capsys.readouterr().err


def test_sigterm_has_a_code_of_its_own(capsys):
    def main(settings):
        raise SystemExit(STOPPED)

    with pytest.raises(SystemExit) as stopped:
        run_recipe(main, Settings, arguments=[])
    assert stopped.value.code == 75
    assert "stopped and saved" in capsys.readouterr().err


def test_the_settings_of_every_training_are_flags_and_arguments_of_fit():
    @dataclasses.dataclass(frozen=True)
    class Own(TrainingSettings):
        epochs: int = 3

    flags = ["--ema", "0.9", "--accumulate", "2", "--epochs", "4"]
    settings = parse_settings(Own, arguments=flags)
    assert settings == Own(ema=0.9, accumulate=2, epochs=4)
    options = settings.fit_options()
    assert options == {"ema": 0.9, "accumulate": 2, "save_seconds": 300.0}
    assert set(options) <= set(inspect.signature(fit).parameters)
