"""Refuses names that cannot be those of a preset of keras-hub."""

from pathlib import Path

PREFIXES = ("keras_hub:", "hf://")


def require_preset(name: str, *, argument: str) -> str:
    """Returns the name that keras-hub knows a preset by, without importing it.

    Args:
        name: `keras_hub:` and the name of a preset or its folder, or `hf://` and a
            repository.
        argument: what errors call the name.

    Raises:
        ValueError: if it begins otherwise, or names a folder that does not exist or
            holds no preset.

    Example:
        >>> require_preset("keras_hub:clip_vit_base_patch32", argument="text_model")
        'clip_vit_base_patch32'
        >>> require_preset("clip", argument="text_model")
        Traceback (most recent call last):
        ValueError: `text_model` must begin with keras_hub: or hf://; got clip.
    """
    if not name.startswith(PREFIXES):
        raise ValueError(
            f"`{argument}` must begin with {' or '.join(PREFIXES)}; got {name}."
        )
    preset = name.removeprefix("keras_hub:")
    if "://" in preset:
        return preset
    folder = Path(preset)
    if folder.exists() and not (folder / "config.json").is_file():
        raise ValueError(
            f"`{argument}` must name the folder of a preset, written by "
            f"`save_to_preset(FOLDER)`; {folder} holds no config.json."
        )
    if "/" in preset and not folder.exists():
        raise ValueError(
            f"`{argument}` must name the folder of a preset; there is no {folder}."
        )
    return preset
