"""Refuses what needs an extra of kmlic that is not installed."""

import importlib.util


def require_extra(extra: str, package: str, purpose: str) -> None:
    """Raises an error unless a package is installed; does not import it.

    Args:
        extra: the extra of kmlic that installs the package.
        package: its name in Python.
        purpose: what needs it, for the message.

    Raises:
        ImportError: naming the purpose, the package and the extra.

    Example:
        >>> require_extra("onnx", "absent", "Exporting to ONNX")
        Traceback (most recent call last):
        ImportError: Exporting to ONNX needs absent: pip install 'kmlic[onnx]'
    """
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # no parent; a module without a specification
        found = None
    if found is None:
        raise ImportError(
            f"{purpose} needs {package.partition('.')[0]}: pip install 'kmlic[{extra}]'"
        )
