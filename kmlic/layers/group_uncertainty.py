"""A learned log variance per group of labels."""

import keras

from kmlic.check_number import check_number


@keras.saving.register_keras_serializable(package="kmlic")
class GroupUncertainty(keras.layers.Layer):
    """Returns its inputs and holds a learned log variance per group.

    The variances are trained by `kmlic.losses.GroupFocalLoss(...,
    log_variances=layer.log_variances)` alone and change no output.

    Paper: Kendall et al., "Multi-Task Learning Using Uncertainty to Weigh Losses for
    Scene Geometry and Semantics", CVPR 2018, equation 10,
    https://arxiv.org/abs/1705.07115.

    Shapes: any to the same.

    Args:
        num_groups: number of groups.

    Raises:
        ValueError: if `num_groups` is below 1.

    Example:
        >>> layer = GroupUncertainty(2)
        >>> layer.log_variances.numpy().tolist()
        [0.0, 0.0]
    """

    def __init__(self, num_groups: int, **kwargs):
        super().__init__(**kwargs)
        check_number("num_groups", num_groups, at_least=1)
        self.num_groups = num_groups
        self.log_variances = self.add_weight(
            (num_groups,), initializer="zeros", name="log_variances"
        )

    def call(self, inputs):
        return inputs

    def get_config(self):
        return {**super().get_config(), "num_groups": self.num_groups}
