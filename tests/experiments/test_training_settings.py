import dataclasses
import inspect

from kmlic.experiments import TrainingSettings
from kmlic.training import fit


@dataclasses.dataclass(frozen=True)
class Own(TrainingSettings):
    units: int = 8


def test_fit_options_are_arguments_of_fit():
    options = TrainingSettings(ema=0.9, accumulate=2).fit_options()
    assert options == {"ema": 0.9, "accumulate": 2, "save_seconds": 300.0}
    assert set(options) <= set(inspect.signature(fit).parameters)


def test_narrow_keeps_the_base_fields_but_those_of_the_table():
    own = Own(units=3, batch_size=7, rows=("a",), ablations=True, linear_probe=True)
    narrowed = own.narrow(TrainingSettings, epochs=2)
    assert narrowed == TrainingSettings(batch_size=7, epochs=2)
