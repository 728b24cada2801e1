"""A recipe's settings, from its flags."""

import sys
from collections.abc import Mapping, Sequence
from typing import TypeVar

import tyro

S = TypeVar("S")


def parse_settings(
    settings: type[S],
    presets: Mapping[str, S] | None = None,
    arguments: Sequence[str] | None = None,
    *,
    description: str | None = None,
) -> S:
    """Reads a frozen dataclass from the command line, one flag per field.

    Args:
        settings: the dataclass; its defaults are the flags' defaults.
        presets: flag (a boolean field of the dataclass) to the settings it stands for;
            other flags on the command line still change single fields of them.
        arguments: the command line; of this process when None.
        description: what `--help` says first.

    Raises:
        SystemExit: with code 2, after one sentence, on an unknown or wrong flag.

    Example:
        >>> import dataclasses
        >>> @dataclasses.dataclass(frozen=True)
        ... class Settings:
        ...     epochs: int = 3
        ...     paper: bool = False
        >>> presets = {"paper": Settings(epochs=90, paper=True)}
        >>> parse_settings(Settings, presets, ["--paper"])
        Settings(epochs=90, paper=True)
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    chosen = [
        preset for flag, preset in (presets or {}).items() if f"--{flag}" in arguments
    ]
    return tyro.cli(
        settings,
        args=arguments,
        default=chosen[-1] if chosen else settings(),
        description=description,
        use_underscores=True,
    )
