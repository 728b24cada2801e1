"""ImageNet weights of the residual networks, downloaded from the Hugging Face Hub."""

import dataclasses
import hashlib
import json
import logging
import pathlib

from kmlic.atomic_write import atomic_write
from kmlic.require_extra import require_extra
from kmlic.require_reachable import require_reachable

_LOGGER = logging.getLogger(__name__)
_FILE = "model.safetensors"


@dataclasses.dataclass(frozen=True)
class Pin:
    """Identifies one version of a file on the Hugging Face Hub.

    Args:
        revision: commit of the repository.
        sha256: of its `model.safetensors`.
    """

    revision: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Describes where the ImageNet weights of a network are.

    Args:
        repository: on the Hugging Face Hub, with a `model.safetensors` of timm.
        pin: the version of the file. None accepts the version at the first download,
            which is recorded; afterwards nothing else is accepted.
    """

    repository: str
    pin: Pin | None = None


_RESNET50 = Checkpoint(
    "timm/resnet50.tv_in1k",
    Pin(
        "78f3ecfdb38e06d9b8397f662e7ab8fee96026fa",
        "5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888",
    ),
)
# The papers started from torchvision's weights (`tv`). Files are pinned where two or
# more public projects agree on commit and hash.
CHECKPOINTS = {
    "resnet18": Checkpoint(
        "timm/resnet18.tv_in1k",
        Pin(
            "bbd144b3e5565108aad885f145491d11bc6ce807",
            "694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81",
        ),
    ),
    "resnet50": _RESNET50,
    "resnet101": Checkpoint("timm/resnet101.tv_in1k"),
    "sge_resnet50": _RESNET50,
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


def download_imagenet_weights(name: str) -> pathlib.Path:
    """Downloads the ImageNet weights of `name` once and returns their path.

    The file must have the hash that kmlic pins or, without one, that of the first
    download, which `kmlic_pins.json` in the Hub's cache folder records with the commit.

    Args:
        name: of a residual network.

    Raises:
        ValueError: if the network has no weights, or the file is not the pinned one.
        ImportError: if huggingface-hub is not installed.
        ConnectionError: if the Hub cannot be reached and nothing is cached.
    """
    checkpoint = _find_checkpoint(name)
    hub = _import_hub()
    recorded = read_pins().get(checkpoint.repository)
    pin = checkpoint.pin or recorded or find_pin(name)
    where = {"repo_id": checkpoint.repository, "filename": _FILE}
    path = hub.try_to_load_from_cache(**where, revision=pin.revision)
    if not isinstance(path, str):  # None, or a mark that there is no such file
        require_reachable(hub.constants.ENDPOINT, _remedy(checkpoint.repository))
        try:
            path = hub.hf_hub_download(**where, revision=pin.revision)
        except (OSError, hub.errors.HfHubHTTPError) as error:
            raise _explain_failure(checkpoint.repository) from error
    path = pathlib.Path(path)
    found = _hash(path)
    if found != pin.sha256:
        raise ValueError(
            f"{path} must have sha256 {pin.sha256}; got {found}. Delete it and try "
            "again."
        )
    if checkpoint.pin is None and recorded is None:
        record_pin(name, pin)
        _LOGGER.warning(
            "kmlic pins no ImageNet weights for %s; revision %s with sha256 %s is the "
            "only one accepted from now on (%s).",
            name,
            pin.revision,
            pin.sha256,
            _pins_path(),
        )
    return path


def find_pin(name: str) -> Pin:
    """Returns the current commit and sha256 of the weights of `name` on the Hub.

    Args:
        name: of a residual network.

    Raises:
        ConnectionError: if the Hub cannot be reached.
    """
    repository, hub = _find_checkpoint(name).repository, _import_hub()
    require_reachable(hub.constants.ENDPOINT, _remedy(repository))
    try:
        info = hub.HfApi().model_info(repository, files_metadata=True)
    except Exception as error:  # its type depends on the version of huggingface-hub
        raise _explain_failure(repository) from error
    (entry,) = [file for file in info.siblings if file.rfilename == _FILE]
    return Pin(info.sha, entry.lfs.sha256)


def read_pins() -> dict[str, Pin]:
    """Reads the pins recorded on this machine, by repository.

    Raises:
        ValueError: if their file is corrupt.
    """
    path = _pins_path()
    if not path.exists():
        return {}
    try:
        pins = json.loads(path.read_text(encoding="utf-8"))
        return {repository: Pin(**pin) for repository, pin in pins.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} must hold a revision and a sha256 per repository; got {error}. "
            "Correct or delete it; then the next download is trusted again."
        ) from error


def record_pin(name: str, pin: Pin) -> None:
    """Records the only weights of `name` that this machine accepts.

    Args:
        name: of a residual network that kmlic does not pin itself.
        pin: its file on the Hub.
    """
    pins = {**read_pins(), _find_checkpoint(name).repository: pin}
    with atomic_write(_pins_path()) as temporary:
        content = {key: dataclasses.asdict(pins[key]) for key in sorted(pins)}
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _find_checkpoint(name):
    if name not in CHECKPOINTS:
        raise ValueError(
            f'`weights` must be None or a path for {name!r}, which has no "imagenet" '
            f"weights; networks with weights: {', '.join(CHECKPOINTS)}."
        )
    return CHECKPOINTS[name]


def _explain_failure(repository):
    return ConnectionError(
        f"The Hugging Face Hub could not be reached for {repository}. "
        f"{_remedy(repository)}"
    )


def _remedy(repository):
    return (
        f"Download {_FILE} of {repository} on another machine and pass its path as "
        "`weights` (--weights FILE)."
    )


def _pins_path():
    return pathlib.Path(_import_hub().constants.HF_HOME) / "kmlic_pins.json"


def _import_hub():
    require_extra("hub", "huggingface_hub", "Downloading ImageNet weights")
    import huggingface_hub
    import huggingface_hub.constants  # no attributes until they are imported
    import huggingface_hub.errors

    return huggingface_hub


def _hash(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
