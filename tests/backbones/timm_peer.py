"""timm beside TensorFlow."""

import sys

import pytest


def import_timm():
    """Imports timm, or skips the test where timm or torch is not installed."""
    # PyTorch's builds for GPUs bring Triton, whose import crashes beside TensorFlow.
    sys.modules.setdefault("triton", None)
    pytest.importorskip("torch")
    return pytest.importorskip("timm")
