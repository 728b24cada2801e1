import dataclasses

from kmlic.experiments import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Own(TrainingSettings):
    units: int = 8


def test_narrow_keeps_the_base_fields_but_those_of_the_table():
    own = Own(units=3, batch_size=7, rows=("a",), ablations=True, linear_probe=True)
    narrowed = own.narrow(TrainingSettings, epochs=2)
    assert narrowed == TrainingSettings(batch_size=7, epochs=2)
