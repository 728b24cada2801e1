"""Limits of numbers, stated in their type."""

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

from kmlic.check_number import check_number


@dataclasses.dataclass(frozen=True)
class Limits:
    """Holds the limits of a number, for `Annotated[int, Limits(at_least=1)]`.

    Args:
        at_least: the smallest value allowed.
        above: what the value must exceed.
        at_most: the largest value allowed.
        below: what the value must stay below.
    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None


Count = Annotated[int, Limits(at_least=1, at_most=10**6)]
CountOrZero = Annotated[int, Limits(at_least=0, at_most=10**6)]
# More images would not fit in any memory at once.
BatchSize = Annotated[int, Limits(at_least=1, at_most=2**16)]
ImageSize = Annotated[int, Limits(at_least=1, at_most=2**14)]
ImageBytes = Annotated[int, Limits(at_least=1, at_most=2**31 - 1)]
ImagePixels = Annotated[int, Limits(at_least=1, at_most=2**30)]
# Sizes of an image file that is read unless more is allowed: phones have 64 megapixels.
MAX_BYTES = 50_000_000
MAX_PIXELS = 2**26
# Bits, of 64, in which the hashes of images may differ that count as near duplicates.
NEAR_BITS = 4
Seed = Annotated[int, Limits(at_least=0, below=2**32)]
# Shares of training, validation and test images unless others are asked for.
FRACTIONS = (0.7, 0.1, 0.2)
Fraction = Annotated[float, Limits(at_least=0, at_most=1)]
Dropout = Annotated[float, Limits(at_least=0, below=1)]
Minutes = Annotated[float, Limits(above=0, at_most=100_000)]
Positive = Annotated[float, Limits(above=0, below=math.inf)]
NonNegative = Annotated[float, Limits(at_least=0, below=math.inf)]

_KINDS: Mapping[Any, tuple[Any, str]] = {
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
}


def check_limits(hints: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raises an error if a value breaks the limits in its type.

    A number with limits must be one, and whole where its type is int. None and texts
    are accepted beside it where its type has them. The items of a tuple or sequence are
    checked one by one.

    Args:
        hints: name to type, of `typing.get_type_hints(..., include_extras=True)`.
        values: name to value; values without a type are not checked.

    Raises:
        ValueError: naming the value and its limits.

    Example:
        >>> check_limits({"epochs": Count}, {"epochs": 0})
        Traceback (most recent call last):
        ValueError: `epochs` must be at least 1 and at most 1000000; got epochs=0.
    """
    for name, value in values.items():
        _check(name, hints.get(name), value)


def check_arguments(function: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Raises an error if an argument of a function breaks the limits in its type.

    Args:
        function: whose parameters have types such as `Count`.
        values: name to value: `locals()` in the first line of the function.

    Raises:
        ValueError: naming the argument and its limits.

    Example:
        >>> def build(num_labels: Count):
        ...     check_arguments(build, locals())
        >>> build(2.5)
        Traceback (most recent call last):
        ValueError: `num_labels` must be a whole number; got num_labels=2.5.
    """
    check_limits(typing.get_type_hints(function, include_extras=True), values)


def check_fractions(fractions: Sequence[float]) -> None:
    """Raises an error unless fractions are those of a training, validation and test.

    Example:
        >>> check_fractions((0.7, 0.1, 0.2))
    """
    right = len(fractions) == 3 and all(share >= 0 for share in fractions)
    if not (right and abs(sum(fractions) - 1) <= 1e-6):
        raise ValueError(
            "`fractions` must be three numbers, 0 or more, that sum to 1 (training, "
            f"validation, test); got fractions={tuple(fractions)}."
        )


def _check(name: str, hint: Any, value: Any) -> None:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, tuple):
        repeated = ... in arguments
        for index, item in enumerate(value):
            _check(name, arguments[0 if repeated else index], item)
    elif origin is Sequence and typing.get_origin(arguments[0]) is Annotated:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ValueError(f"`{name}` must be a sequence; got {name}={value!r}.")
        for item in value:
            _check(name, arguments[0], item)
    elif origin is Annotated:
        limits = [each for each in hint.__metadata__ if isinstance(each, Limits)]
        if limits and arguments[0] in _KINDS:
            kind, words = _KINDS[arguments[0]]
            if not isinstance(value, kind):
                raise ValueError(f"`{name}` must be {words}; got {name}={value!r}.")
            for each in limits:
                check_number(name, value, **dataclasses.asdict(each))
        _check(name, arguments[0], value)
    elif origin in (typing.Union, types.UnionType):
        without = value is None or isinstance(value, str)
        if not (without and any(_accepts(member, value) for member in arguments)):
            for member in arguments:
                _check(name, member, value)


def _accepts(hint: Any, value: str | None) -> bool:
    """Returns whether a type is that of None or a text."""
    return hint is type(value) or value in typing.get_args(hint)
