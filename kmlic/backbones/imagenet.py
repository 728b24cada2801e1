"""Where the ImageNet weights of the residual networks come from."""

import dataclasses
import hashlib
import logging
import pathlib

from kmlic.backbones.residual_network import IMAGENET_MEAN, IMAGENET_STD

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Says where a network's weights are and what pixels they were trained with.

    Args:
        repository: on the Hugging Face Hub, with a `model.safetensors` of timm.
        revision: commit of the repository; None follows its main branch.
        sha256: of the file; None accepts the one that the Hub vouches for.
        mean: of the RGB pixels, as shares of 255.
        std: their standard deviation.
    """

    repository: str
    revision: str | None = None
    sha256: str | None = None
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


# The papers started from torchvision's weights, hence `tv`. `python -m
# kmlic.backbones.weights pin NAME` prints the revision and hash to pin an entry with.
CHECKPOINTS = {
    "resnet18": Checkpoint("timm/resnet18.tv_in1k"),
    "resnet50": Checkpoint("timm/resnet50.tv_in1k"),
    "resnet101": Checkpoint("timm/resnet101.tv_in1k"),
    "sge_resnet50": Checkpoint("timm/resnet50.tv_in1k"),
    "seresnet50": Checkpoint("timm/seresnet50.a1_in1k"),
    "legacy_seresnet50": Checkpoint("timm/legacy_seresnet50.in1k"),
    "seresnext50_32x4d": Checkpoint("timm/seresnext50_32x4d.racm_in1k"),
    "legacy_seresnext50_32x4d": Checkpoint("timm/legacy_seresnext50_32x4d.in1k"),
    "resnest14d": Checkpoint("timm/resnest14d.gluon_in1k"),
    "resnest26d": Checkpoint("timm/resnest26d.gluon_in1k"),
    "resnest50d": Checkpoint("timm/resnest50d.in1k"),
    "resnest101e": Checkpoint("timm/resnest101e.in1k"),
    "resnest50d_4s2x40d": Checkpoint("timm/resnest50d_4s2x40d.in1k"),
    "resnest50d_1s4x24d": Checkpoint("timm/resnest50d_1s4x24d.in1k"),
}
_FILE = "model.safetensors"


def download_imagenet_weights(name: str) -> pathlib.Path:
    """Downloads the ImageNet weights of `name` once and gives the path of the file.

    Args:
        name: of a residual network.

    Raises:
        ValueError: if the network has none, or the file is not the pinned one.
        ImportError: if huggingface-hub is not installed.
        ConnectionError: if the Hub cannot be reached and nothing is cached.
    """
    if name not in CHECKPOINTS:
        raise ValueError(
            f'`weights` must be None or a path for {name!r}, which has no "imagenet" '
            f"weights; those that have: {', '.join(CHECKPOINTS)}."
        )
    hub = _import_hub()
    checkpoint = CHECKPOINTS[name]
    try:
        path = pathlib.Path(
            hub.hf_hub_download(
                checkpoint.repository, _FILE, revision=checkpoint.revision
            )
        )
    except (OSError, hub.errors.HfHubHTTPError) as error:
        raise ConnectionError(
            f"The Hugging Face Hub could not be reached for {checkpoint.repository}; "
            f"download its {_FILE} where there is a network and pass the path as "
            "`weights`."
        ) from error
    found = _hash(path)
    if checkpoint.sha256 is None:
        _LOGGER.warning(
            "The ImageNet weights of %s are not pinned; %s has sha256 %s.",
            name,
            path,
            found,
        )
    elif found != checkpoint.sha256:
        raise ValueError(
            f"{path} must have sha256 {checkpoint.sha256}; got {found}. Delete it and "
            "try again."
        )
    return path


def find_pin(name: str) -> tuple[str, str]:
    """Asks the Hub for the current commit and the sha256 of the weights of `name`."""
    hub = _import_hub()
    repository = CHECKPOINTS[name].repository
    info = hub.HfApi().model_info(repository, files_metadata=True)
    (entry,) = [file for file in info.siblings if file.rfilename == _FILE]
    return info.sha, entry.lfs.sha256


def _import_hub():
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            'ImageNet weights need `pip install "kmlic[hub]"`, or a path as `weights`.'
        ) from error
    return huggingface_hub


def _hash(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
