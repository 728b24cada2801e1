"""A check shared by layers whose weights or sums depend on the map's size."""


def require_known_sides(input_shape):
    """Raises an error if the height or the width of images or maps is unknown."""
    if None in input_shape[1:3]:
        raise ValueError(
            "The height and width of the input must be known; got input shape "
            f"{tuple(input_shape)}. Build the model for one image size."
        )
