"""Refuses a number that is out of its limits."""


def check_number(
    argument: str,
    value: float,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> None:
    """Raises an error if the value of an argument is NaN or out of its limits.

    Args:
        argument: name of the argument, for the message.
        value: what was given for it.
        at_least: the smallest value allowed.
        above: what the value must exceed.
        at_most: the largest value allowed.
        below: what the value must stay below.

    Raises:
        ValueError: naming the argument, its limits and the value.

    Example:
        >>> check_number("dropout", 1.5, at_least=0, below=1)
        Traceback (most recent call last):
        ValueError: `dropout` must be at least 0 and below 1; got dropout=1.5.
    """
    limits = {
        "at least": (at_least, lambda limit: value >= limit),
        "above": (above, lambda limit: value > limit),
        "at most": (at_most, lambda limit: value <= limit),
        "below": (below, lambda limit: value < limit),
    }
    given = {words: each for words, each in limits.items() if each[0] is not None}
    if not all(holds(limit) for limit, holds in given.values()):
        rule = " and ".join(f"{words} {limit}" for words, (limit, _) in given.items())
        raise ValueError(f"`{argument}` must be {rule}; got {argument}={value}.")
