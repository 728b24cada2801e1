"""Runs that live on the Hugging Face Hub."""

import re
from pathlib import Path
from typing import Any

from kmlic.export import FORMATS
from kmlic.require_extra import require_extra

# What predicts, and nothing that tells of the training images.
HUB_FILES = (
    "README.md",
    "labels.json",
    "model.keras",
    "words.npz",
    *(format.pattern for format in FORMATS.values()),
)
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?/?", re.ASCII)


def download_run(address: str) -> Path:
    """Downloads a run from the Hugging Face Hub, and returns its folder.

    Files that were downloaded before are not downloaded again. Models are loaded in
    Keras' safe mode, as all others. Needs the extra hub.

    Args:
        address: hf://user/name, or hf://user/name@revision for a branch, tag or commit.

    Raises:
        ValueError: if the address is no such text.
        ImportError: naming the extra, if it is not installed.
        ConnectionError: if the Hub does not give the run.

    Example:
        >>> download_run("hf://name")
        Traceback (most recent call last):
            ...
        ValueError: A run on the Hub must be hf://user/name; got hf://name.
    """
    repository, revision = parse_address(address)
    hub = import_hub()
    try:
        folder = hub.snapshot_download(
            repository, revision=revision, allow_patterns=list(HUB_FILES)
        )
    except Exception as error:  # its type depends on the version of huggingface-hub
        raise ConnectionError(f"{address} could not be downloaded: {error}") from error
    return Path(folder)


def parse_address(address: str) -> tuple[str, str | None]:
    """Returns the repository and the revision of an address on the Hub.

    Example:
        >>> parse_address("hf://me/birds@v2"), parse_address("hf://me/birds")
        (('me/birds', 'v2'), ('me/birds', None))
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ValueError(f"A run on the Hub must be hf://user/name; got {address}.")
    return found[1], found[2]


def import_hub() -> Any:
    """Returns the module huggingface_hub, or raises an error that names the extra."""
    require_extra("hub", "huggingface_hub", "A run on the Hugging Face Hub")
    import huggingface_hub

    return huggingface_hub
