"""timm without torchvision, which has no build for processors alone."""

import sys
import types

import pytest


class _Stub(types.ModuleType):
    """A module whose every name is a class that timm may import but never uses."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), _INTERPOLATIONS)


_INTERPOLATIONS = {
    name: name.lower()
    for name in ("NEAREST", "BILINEAR", "BICUBIC", "BOX", "HAMMING", "LANCZOS")
}


def import_timm():
    """Imports timm, or skips the test where timm or torch is not installed."""
    pytest.importorskip("torch")
    if "torchvision" not in sys.modules:
        for name in (
            "",
            ".datasets",
            ".datasets.folder",
            ".models",
            ".models.feature_extraction",
            ".ops",
            ".ops.misc",
            ".transforms",
            ".transforms.functional",
        ):
            module = sys.modules[f"torchvision{name}"] = _Stub(f"torchvision{name}")
            parent, _, child = module.__name__.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
    return pytest.importorskip("timm")
