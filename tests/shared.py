"""Where the reference arrays and real images lie, beside the project."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


def shared_path(name: str) -> Path:
    """Returns a path below ../shared, or skips the test where there is none."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"../shared/{name} is absent")
    return path
