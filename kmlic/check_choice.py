"""Refuses an argument that is none of its allowed values."""


def check_choice(argument: str, value: object, *choices: object) -> None:
    """Raises an error if the value of an argument is not one of the choices.

    Args:
        argument: name of the argument, for the message.
        value: what was given for it.
        choices: the values that it may have.

    Raises:
        ValueError: naming the argument, the choices and the value.

    Example:
        >>> check_choice("pooling", "sum", "avg", "max")
        Traceback (most recent call last):
        ValueError: `pooling` must be one of 'avg', 'max'; got pooling='sum'.
    """
    if value not in choices:
        raise ValueError(
            f"`{argument}` must be one of {', '.join(map(repr, choices))}; got "
            f"{argument}={value!r}."
        )
