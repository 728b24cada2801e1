import pytest

from kmlic.experiments import TrainingSettings, choose_rows

TABLE = {"baseline": {"epochs": 1}, "model": {}, "same": {}, "long": {"epochs": 9}}


def test_rows_are_the_default_ones_those_named_or_all():
    chosen = choose_rows(TrainingSettings(), TABLE, ("baseline", "model"))
    assert {name: row.epochs for name, row in chosen.items()} == {
        "baseline": 1,
        "model": 10,
    }
    assert list(choose_rows(TrainingSettings(rows=("long",)), TABLE, ())) == ["long"]
    # "same" would be the same training again.
    every = choose_rows(TrainingSettings(ablations=True), TABLE, ())
    assert [row.epochs for row in every.values()] == [1, 10, 9]


def test_a_row_that_is_not_in_the_table_is_named():
    with pytest.raises(ValueError, match=r"`rows` must be .*; got \['msrn'\]"):
        choose_rows(TrainingSettings(rows=("msrn", "long")), TABLE, ())
