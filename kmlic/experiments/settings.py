"""A recipe's settings, from its flags."""

import dataclasses
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import tensorflow as tf
import tyro

from kmlic.training.strategies import make_strategy
from kmlic.training.training_state import STOPPED

S = TypeVar("S")

_PACKAGE = Path(__file__).parents[1]
_INTERRUPTED = 130  # what a shell gives for a program ended by Ctrl-C


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained, whatever the recipe: the base of a recipe's settings.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Settings(TrainingSettings):
        ...     epochs: int = 3
        >>> Settings(ema=0.99).fit_options()["ema"]
        0.99
    """

    strategy: Literal["mirrored", "single", "multi_worker"] = "mirrored"
    """mirrored: all devices of this machine; single: the first one; multi_worker: all
    of the machines that TF_CONFIG lists."""
    ema: float | None = None
    """Momentum of the weights' moving average, which is scored and kept, like 0.999."""
    accumulate: int = 1
    """Parts that a batch is computed in, for less memory."""
    augment_on: Literal["pipeline", "device"] = "pipeline"
    """Where training images are augmented: in tf.data, from the originals; or in the
    training step, once they are resized."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """What layers compute in; what is saved computes in float32."""
    deterministic: bool = False
    """The same weights, bit for bit, each time; slower on GPUs."""
    save_minutes: float = 5.0
    """What an interruption within an epoch costs at most."""

    def begin(self) -> None:
        """Sets up TensorFlow, before it does anything else."""
        if self.deterministic:
            tf.config.experimental.enable_op_determinism()
        if self.strategy == "multi_worker":
            make_strategy(self.strategy)

    def fit_options(self) -> dict[str, Any]:
        """Gives the arguments of `kmlic.training.fit` that these settings fix."""
        return {
            "ema": self.ema,
            "accumulate": self.accumulate,
            "save_seconds": 60 * self.save_minutes,
        }


def run_recipe(
    main: Callable[[S], Any],
    settings: type[S],
    presets: Mapping[str, S] | None = None,
    arguments: Sequence[str] | None = None,
    *,
    description: str | None = None,
) -> int:
    """Reads a recipe's settings from the command line and runs it.

    An error that kmlic itself raises, or of a file, is shown as its one sentence; any
    other keeps its traceback.

    Args:
        main: the recipe.
        settings: see `parse_settings`, as all that follows.
        presets: flag to the settings it stands for.
        arguments: the command line; of this process when None.
        description: what `--help` says first.

    Returns:
        0; 2 if the settings or their files are wrong or the loss is not finite; 130
        after Ctrl-C.

    Raises:
        SystemExit: with code 2, after one sentence, on an unknown or wrong flag; with
            code 75 after SIGTERM, once the training's state is saved.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Settings:
        ...     epochs: int = 3
        >>> run_recipe(lambda settings: settings.epochs, Settings, arguments=[])
        0
    """
    chosen = parse_settings(settings, presets, arguments, description=description)
    try:
        if isinstance(chosen, TrainingSettings):
            chosen.begin()
        main(chosen)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: the same command goes on from here\n")
        return _INTERRUPTED
    except SystemExit as stopped:
        if stopped.code == STOPPED:
            sys.stderr.write("stopped and saved: the same command goes on from here\n")
        raise
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        ours = _PACKAGE in raised_in.parents or raised_in.parent.name == "recipes"
        if not (ours or isinstance(error, OSError)):
            raise
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 2
    return 0


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
