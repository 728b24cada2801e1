import numpy as np
import pytest

from kmlic.experiments.make_group_loss import GroupLossSettings, make_group_loss
from kmlic.labels import Labels

WEIGHTS = (0.95, 0.85, 0.85, 0.9, 1.0, 0.9)


class Data:
    groups = {f"g{i}": (f"a{i}", f"b{i}") for i in range(6)}  # noqa: RUF012
    names = tuple(name for members in groups.values() for name in members)
    labels = Labels(names, groups, exclusive=True)
    train_targets = np.tile([1, 0], (4, 6))


class SkewedData(Data):
    train_targets = np.repeat([[1, 0] * 6, [0, 1] * 6], [30, 10], axis=0)


@pytest.mark.parametrize(
    ("loss", "option"),
    [("cross_entropy", "gamma"), ("weighted_focal", "group_weights")],
)
def test_the_loss_is_the_one_the_settings_name(loss, option):
    settings = GroupLossSettings(loss=loss, prior_strength=0.5)
    made = make_group_loss(settings, Data, None, WEIGHTS)
    assert made.gamma == (0 if loss == "cross_entropy" else 2)
    assert getattr(made, option) is not None
    np.testing.assert_allclose(made.log_priors[:2], 0.5 * np.log([4 / 5, 1 / 5]))


@pytest.mark.parametrize("weights", ["none", "frequency", "effective"])
def test_labels_are_weighed_as_the_settings_say(weights):
    settings = GroupLossSettings(positive_weights=weights)
    made = make_group_loss(settings, SkewedData, None, WEIGHTS).label_weights
    if weights == "none":
        assert made is None
        return
    frequent, rare = made[0], made[1]
    assert 30 * frequent + 10 * rare == pytest.approx(40)  # a mean of 1 over images
    # 1 / 30 against 1 / 10; effective numbers are a little closer to each other.
    ratio = {"frequency": 1 / 3, "effective": 0.3367}[weights]
    assert frequent / rare == pytest.approx(ratio, rel=1e-3)


def test_weights_of_another_number_of_groups_are_refused():
    with pytest.raises(ValueError, match="group_weights"):
        make_group_loss(GroupLossSettings(), Data, None, WEIGHTS[:3])
