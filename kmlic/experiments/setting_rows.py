"""The settings of a run in words."""

from collections.abc import Mapping
from typing import Any

from kmlic.run_folder import ASKED


def setting_rows(settings: Mapping[str, Any]) -> list[list[str]]:
    """Returns a row for each setting of a run, for its report.

    Of options in a setting, those that are not given are left out, and so are settings
    whose value was found: the value is there under their own name.

    Args:
        settings: of run.json.

    Example:
        >>> reading = {"separator": ";", "layout": None, "merge": False}
        >>> setting_rows({"models": ["a", "b"], "reading": reading, "test": None})
        [['models', 'a, b'], ['reading', 'separator: ;'], ['test', '-']]
    """
    return [
        [name, _text(value)]
        for name, value in settings.items()
        if not name.startswith(ASKED)
    ]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        given = [(k, v) for k, v in value.items() if v not in (None, False, "", [], ())]
        return "; ".join(f"{k}: {_text(v)}" for k, v in given) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)
