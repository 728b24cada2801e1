import typing

from kmlic.loss_names import LossName, PositiveWeights
from kmlic.losses.make_loss import LOSSES, POSITIVE_WEIGHT_BETAS


def test_names_every_loss_and_weight_that_can_be_made():
    assert set(typing.get_args(LossName)) == set(LOSSES)
    assert set(typing.get_args(PositiveWeights)) == {"none", *POSITIVE_WEIGHT_BETAS}
