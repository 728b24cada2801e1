import dataclasses

import pytest

from kmlic.training import parse_settings


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
