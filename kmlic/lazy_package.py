"""Packages whose public names are imported when they are first used."""

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def lazy_package(name: str) -> None:
    """Makes a package import each of its public names when it is first used.

    Importing TensorFlow and Keras takes seconds, which a wrong flag or an export that
    needs neither should not cost. Packages whose import registers classes in Keras stay
    as they are.

    Args:
        name: `__name__` of the package. Its `__init__.py` lists the names as imports
            below `if TYPE_CHECKING:`, for type checkers and for this function.

    Example:
        >>> import kmlic.words
        >>> kmlic.words.embed_labels.__module__
        'kmlic.words.embed_labels'
    """
    package = sys.modules[name]
    source = Path(package.__file__ or "").read_text(encoding="utf-8")
    package.__dict__["_modules"] = {
        alias.name: node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.col_offset
        for alias in node.names
    }
    package.__class__ = _LazyPackage


class _LazyPackage(ModuleType):
    _modules: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        if name not in self._modules:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(self._modules[name]), name)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a file puts its module into the package, where the public name
        # belongs that the file is named after.
        if isinstance(value, ModuleType) and name in self._modules:
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._modules})
