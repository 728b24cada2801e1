"""Command line of a recipe."""

import dataclasses
import functools
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from kmlic.escape_text import escape_text, parse_escaped_first
from kmlic.experiments.training_settings import TrainingSettings
from kmlic.on_sigterm import STOPPED, on_sigterm
from kmlic.start_tensorflow import start_tensorflow

S = TypeVar("S", bound=TrainingSettings)

_PACKAGE = Path(__file__).parents[1]
_INTERRUPTED = 130  # what a shell returns for a program ended by Ctrl-C


def run_recipe(
    main: Callable[[S], Any],
    presets: Mapping[str, S],
    arguments: Sequence[str] | None = None,
    *,
    description: str | None = None,
) -> int:
    """Reads a recipe's settings from the command line and runs the recipe.

    Errors raised by kmlic, by the recipe or by reading and writing files are printed
    as one sentence; any other error keeps its traceback.

    Args:
        main: the recipe, called with the settings.
        presets: see `parse_settings`.
        arguments: the command line; that of this process when None.
        description: first lines of `--help`.

    Returns:
        0; 2 if the settings or their files are wrong or the loss is not finite; 130
        after Ctrl-C.

    Raises:
        SystemExit: with code 2 and one sentence for an unknown or wrong flag; with
            code 143 after SIGTERM, once the state of a training is saved.

    Example:
        >>> presets = {"": TrainingSettings(), "trial": TrainingSettings(epochs=1)}
        >>> run_recipe(lambda settings: print(settings.epochs), presets, ["--trial"])
        1
        0
    """
    settings = parse_settings(presets, arguments, description=description)
    try:
        with on_sigterm():
            settings.require_files()
            if sys.stderr.isatty():
                sys.stderr.write("starting TensorFlow\n")
            start_tensorflow(settings.begin)
            main(settings)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: run the same command to resume\n")
        return _INTERRUPTED
    except SystemExit as stopped:
        if stopped.code == STOPPED:
            sys.stderr.write("stopped: run the same command to resume\n")
        raise
    except Exception as error:
        # An error type of TensorFlow, which may not have been imported.
        exhausted = type(error).__name__ == "ResourceExhaustedError"
        if exhausted or isinstance(error, MemoryError):
            sys.stderr.write(f"error: memory or disk is full: {_sentence(error)}\n")
            return 2
        if not isinstance(error, ValueError | RuntimeError | OSError | ImportError):
            raise
        raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        recipe = Path(sys.modules[main.__module__].__file__ or "").parent
        ours = {_PACKAGE, recipe} & set(raised_in.parents)
        if not (ours or isinstance(error, OSError)):
            raise
        sys.stderr.write(f"error: {_sentence(error)}\n")
        return 2
    return 0


def parse_settings(
    presets: Mapping[str, S],
    arguments: Sequence[str] | None = None,
    *,
    description: str | None = None,
) -> S:
    """Reads settings from the command line, with one flag per field and per preset.

    Args:
        presets: name of a flag, such as "paper" for `--paper`, to its settings; "" to
            the default settings. A preset's run folder ends in its name; flags of
            fields change the preset.
        arguments: the command line; that of this process when None.
        description: first lines of `--help`.

    Raises:
        SystemExit: with code 2 and one sentence for an unknown or wrong flag, a number
            out of its limits, or two presets.

    Example:
        >>> presets = {"": TrainingSettings(), "paper": TrainingSettings(epochs=90)}
        >>> parse_settings(presets, ["--paper", "--batch_size", "8"]).epochs
        90
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    flags = {f"--{name}": name for name in presets if name}
    chosen = [argument for argument in arguments if argument in flags]
    if len(set(chosen)) > 1:
        sys.stderr.write(f"error: use one preset; got {' '.join(chosen)}.\n")
        raise SystemExit(2)
    plain = default = presets[""]
    if chosen:
        name = flags[chosen[0]]
        folder = plain.folder.with_name(f"{plain.folder.name}_{name}")
        default = dataclasses.replace(presets[name], folder=folder)
    parse = functools.partial(
        tyro.cli,
        type(plain),
        default=default,
        description=f"{description or ''}\n\nPresets: {', '.join(flags)}.",
        use_underscores=True,
    )
    fields = [argument for argument in arguments if argument not in flags]
    return parse_escaped_first(lambda args: parse(args=args), fields)


def _sentence(error: Exception) -> str:
    return escape_text(" ".join(str(error).split()))
