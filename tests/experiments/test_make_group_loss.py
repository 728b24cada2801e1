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


@pytest.mark.parametrize(
    ("loss", "option"),
    [
        ("cross_entropy", "gamma"),
        ("weighted_focal", "group_weights"),
        ("class_balanced", "label_weights"),
    ],
)
def test_the_loss_is_the_one_the_settings_name(loss, option):
    settings = GroupLossSettings(loss=loss, prior_strength=0.5)
    made = make_group_loss(settings, Data, None, WEIGHTS)
    assert made.gamma == (0 if loss == "cross_entropy" else 2)
    assert getattr(made, option) is not None
    np.testing.assert_allclose(made.log_priors[:2], 0.5 * np.log([4 / 5, 1 / 5]))


def test_weights_of_another_number_of_groups_are_refused():
    with pytest.raises(ValueError, match="group_weights"):
        make_group_loss(GroupLossSettings(), Data, None, WEIGHTS[:3])
