"""Sample weights, shared by the metrics that sum counts batch by batch."""

from keras import ops


def image_weights(sample_weight):
    """Returns the weights of images as float64, ones where there are none.

    Shapes: None, (B,) or (B, 1) to (B, 1), or (1, 1) for None.
    """
    if sample_weight is None:
        return ops.ones((1, 1), "float64")
    weights = ops.cast(ops.convert_to_tensor(sample_weight), "float64")
    return ops.reshape(weights, (-1, 1))
