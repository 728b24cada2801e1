"""Command line for weights: `python -m kmlic.backbones.weights convert|pin`."""

import logging
import pathlib

from kmlic.backbones.build_backbone import build_backbone
from kmlic.backbones.imagenet import CHECKPOINTS, find_pin, record_pin

_LOGGER = logging.getLogger(__name__)


def convert(
    name: str,
    source: pathlib.Path,
    target: pathlib.Path,
    *,
    include_top: bool = False,
    num_classes: int = 1000,
) -> None:
    """Converts a checkpoint of timm or torch to a Keras `.weights.h5` file.

    Args:
        name: of the residual network.
        source: a `.safetensors`, `.pth`, `.pt` or `.bin` file.
        target: the `.weights.h5` file to write, for `build_backbone(weights=...)`.
        include_top: whether to keep the classifier.
        num_classes: logits of that classifier.

    Raises:
        ValueError: if `target` ends otherwise, or `source` does not fit.
    """
    if not target.name.endswith(".weights.h5"):
        raise ValueError(f"`target` must end in .weights.h5; got target={target}.")
    model = build_backbone(
        name, weights=source, include_top=include_top, num_classes=num_classes
    )
    model.save_weights(target)
    _LOGGER.info("Wrote %s.", target)


def pin(name: str) -> None:
    """Logs the current version of ImageNet weights on the Hub, and accepts it.

    This machine then accepts no other. Versions that kmlic pins do not change.

    Args:
        name: of the residual network.
    """
    now = find_pin(name)
    _LOGGER.info("%s: %s", name, now)
    pinned = CHECKPOINTS[name].pin
    if pinned is None:
        record_pin(name, now)
    elif pinned != now:
        _LOGGER.info("kmlic pins %s.", pinned)


if __name__ == "__main__":
    import tyro

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    tyro.extras.subcommand_cli_from_dict({"convert": convert, "pin": pin})
