import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pytest

from kmlic.check_limits import (
    BatchSize,
    Count,
    CountOrZero,
    Dropout,
    Fraction,
    ImageSize,
    Limits,
    NonNegative,
    Positive,
    Seed,
    check_limits,
)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Count, 0),
        (Count, 10**7),
        (CountOrZero, -1),
        (BatchSize, 0),
        (BatchSize, 1_000_000),
        (ImageSize, 0),
        (Seed, -1),
        (Seed, 2**32),
        (Fraction, 1.1),
        (Fraction, float("nan")),
        (Dropout, 1.0),
        (Positive, 0.0),
        (Positive, float("inf")),
        (NonNegative, float("nan")),
        (Count | None, 0),
        (tuple[Count, ...], (1, 0)),
        (tuple[Fraction, Fraction], (0.5, -0.5)),
        (tuple[Count, ...] | None, (0,)),
        (Annotated[Positive | str, "a comment"], -1.0),
        (Count, 2.5),
        (Count, "5"),
        (Count, None),
        (Count | None, (32, 64)),
        (Positive, "0.5"),
        (Sequence[Count], 5),
        (Sequence[Count], [1, 0]),
    ],
)
def test_refuses_what_is_out_of_its_limits(hint, value):
    with pytest.raises(ValueError, match=r"`x` must be .*; got x="):
        check_limits({"x": hint}, {"x": value})


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Count, 1),
        (Count | None, None),
        (tuple[Count, ...], ()),
        (tuple[Fraction, Fraction], (0.0, 1.0)),
        (Positive | str, "text"),
        (Literal["auto"] | Count, "auto"),
        (Count, np.int64(3)),
        (Positive, np.float32(0.5)),
        (Sequence[Count], [1, 2]),
        (Mapping[str, Count], {"a": 0}),
        (int, -5),
        (Annotated[str, Limits(at_least=1)], "text"),
    ],
)
def test_accepts_the_rest(hint, value):
    check_limits({"x": hint}, {"x": value, "without a hint": -1})


def test_reads_the_hints_of_a_dataclass():
    @dataclass
    class Own:
        epochs: Count = 0

    hints = typing.get_type_hints(Own, include_extras=True)
    with pytest.raises(ValueError, match="epochs=0"):
        check_limits(hints, vars(Own()))
