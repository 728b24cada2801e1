"""A learning rate schedule that rises once and falls once."""

import math

import keras
import tensorflow as tf

_FIRST, _LAST = 1 / 25, 4e-6  # of the highest rate, the defaults of OneCycleLR


@keras.saving.register_keras_serializable(package="kmlic")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Raises the learning rate along a cosine, then lowers it along another one.

    Paper: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks
    Using Large Learning Rates", 2018, https://arxiv.org/abs/1708.07120, annealed as in
    `torch.optim.lr_scheduler.OneCycleLR`. Differs from both: the momentum is constant.

    Args:
        highest: highest learning rate.
        steps: total number of training steps.
        rise: share of the steps in which the rate rises, 0-1.

    Raises:
        ValueError: if `steps` is below 1 or `rise` is not between 0 and 1.

    Example:
        >>> schedule = OneCycle(0.1, steps=100, rise=0.3)
        >>> [round(float(schedule(step)), 7) for step in (0, 29, 99)]
        [0.004, 0.1, 4e-07]
    """

    def __init__(self, highest: float, steps: int, rise: float = 0.3):
        super().__init__()
        if steps < 1:
            raise ValueError(f"`steps` must be at least 1; got steps={steps}.")
        if not 0 < rise < 1:
            raise ValueError(f"`rise` must be between 0 and 1; got rise={rise}.")
        self.highest = highest
        self.steps = steps
        self.rise = rise

    def __call__(self, step):
        last = self.steps - 1.0
        top = max(self.rise * self.steps - 1.0, 0.0)
        step = tf.minimum(tf.cast(step, tf.float32), last)
        rising = _anneal(_FIRST, 1.0, step / (top or 1.0))
        falling = _anneal(1.0, _LAST, (step - top) / ((last - top) or 1.0))
        return self.highest * tf.where(step < top, rising, falling)

    def get_config(self):
        return {"highest": self.highest, "steps": self.steps, "rise": self.rise}


def _anneal(start, end, share):
    return end + (start - end) * (1 + tf.cos(math.pi * share)) / 2
