import pytest

from kmlic.experiments import MemberSettings


def test_refuses_what_is_out_of_its_limits():
    assert MemberSettings(members=2, zooms=(1.0, 0.8)).zooms == (1.0, 0.8)
    with pytest.raises(ValueError, match="members=0"):
        MemberSettings(members=0)
    with pytest.raises(ValueError, match="zooms"):
        MemberSettings(zooms=(0.0,))
