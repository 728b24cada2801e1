"""Packages that only some exports need."""

import importlib
from typing import Any


def import_extra(package: str, extra: str) -> Any:
    """Imports a package, and says how to install it where it is missing.

    Args:
        package: its name in Python.
        extra: of kmlic, which brings it.

    Raises:
        ImportError: naming package and extra.

    Example:
        >>> import_extra("json", "onnx").loads("1")
        1
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"This needs {package}. Install it with: pip install 'kmlic[{extra}]'"
        ) from error
