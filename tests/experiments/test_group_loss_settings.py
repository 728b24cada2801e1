import pytest

from kmlic.experiments.group_loss_settings import GroupLossSettings


def test_refuses_what_is_out_of_its_limits():
    assert GroupLossSettings(label_smoothing=0.1).label_smoothing == 0.1
    with pytest.raises(ValueError, match=r"label_smoothing=1\.1"):
        GroupLossSettings(label_smoothing=1.1)
    with pytest.raises(ValueError, match="gamma=-1"):
        GroupLossSettings(gamma=-1)
