"""Presets of keras-hub, loaded by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kmlic.require_extra import require_extra
from kmlic.require_preset import require_preset
from kmlic.require_reachable import require_reachable

T = TypeVar("T")


def load_preset(name: str, load: Callable[[Any, str], T], *, argument: str) -> T:
    """Loads a part of a preset of keras-hub, such as its backbone.

    Args:
        name: `keras_hub:` and the name of a preset or its folder, or `hf://` and a
            repository.
        load: returns the part, given the package keras_hub and the preset as it names
            it.
        argument: what errors call the name.

    Raises:
        ConnectionError: if the preset cannot be downloaded.
        ImportError: if keras-hub is not installed.
        ValueError: if there is no such preset.

    Example:
        >>> load_preset("keras_hub:x", lambda hub, preset: preset, argument="backbone")
        'x'
    """
    preset = require_preset(name, argument=argument)
    require_extra("hub", "keras_hub", f"The preset {name}")
    import keras_hub

    try:
        return load(keras_hub, preset)
    except (ValueError, FileNotFoundError) as error:
        known = keras_hub.models.Backbone.presets
        if "://" not in preset and preset not in known and not Path(preset).exists():
            raise ValueError(
                f"`{argument}` must be a preset of keras-hub or the folder of one; "
                f"there is none called {preset}. https://keras.io/keras_hub/presets "
                "lists them."
            ) from error
        raise ValueError(
            f"`{argument}` must be a preset of keras-hub; got {name}: "
            f"{_first_line(error)}"
        ) from error
    except Exception as error:  # of the library that downloads
        remedy = (
            "Save the preset on another machine with `save_to_preset(FOLDER)` and pass "
            "keras_hub:FOLDER."
        )
        host = "huggingface.co" if name.startswith("hf://") else "www.kaggle.com"
        require_reachable(f"https://{host}", remedy)
        raise ConnectionError(
            f"{name} could not be downloaded: {_first_line(error)} {remedy}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
