"""Rows of an experiment's table."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from kmlic.experiments.training_settings import TrainingSettings

S = TypeVar("S", bound=TrainingSettings)


def choose_rows(
    settings: S, table: Mapping[str, Mapping[str, Any]], default: Iterable[str]
) -> dict[str, S]:
    """Returns the settings of every row to train, by name.

    A row with the settings of an earlier one is left out, unless `rows` names it.

    Args:
        settings: of the experiment; `rows` names the rows, `ablations` selects all.
        table: row to the settings that it changes.
        default: the rows if neither `rows` nor `ablations` is set.

    Raises:
        ValueError: if the table does not have a row, naming it.

    Example:
        >>> table = {"baseline": {"epochs": 1}, "model": {}, "long": {"epochs": 90}}
        >>> rows = choose_rows(TrainingSettings(), table, ("baseline", "model"))
        >>> {name: row.epochs for name, row in rows.items()}
        {'baseline': 1, 'model': 10}
    """
    names = settings.rows or (table if settings.ablations else default)
    unknown = [name for name in names if name not in table]
    if unknown:
        raise ValueError(f"`rows` must be some of {list(table)}; got {unknown}.")
    rows: dict[str, S] = {}
    for name in names:
        row = dataclasses.replace(settings, **table[name])
        if settings.rows or row not in rows.values():
            rows[name] = row
    return rows
