"""Packages that only some exports need."""

import importlib
from typing import Any


def import_extra(package: str, extra: str) -> Any:
    """Imports a package; if it is missing, the error says how to install it.

    Args:
        package: its name in Python.
        extra: the extra of kmlic that installs it.

    Raises:
        ImportError: naming the package and the extra.

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
