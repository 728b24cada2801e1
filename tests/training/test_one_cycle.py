import keras
import numpy as np
import pytest

from kmlic.training import OneCycle


def test_rises_to_the_highest_rate_and_falls_far_below_the_first():
    schedule = OneCycle(0.2, steps=50, rise=0.4)
    rates = np.array([float(schedule(step)) for step in range(50)])
    top = 0.4 * 50 - 1
    for step, rate in enumerate(rates):
        if step < top:
            start, end, share = 0.2 / 25, 0.2, step / top
        else:
            start, end, share = 0.2, 0.2 * 4e-6, (step - top) / (49 - top)
        expected = end + (start - end) * (1 + np.cos(np.pi * share)) / 2
        assert rate == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert rates.argmax() == 19 and rates[-1] < rates[0] / 1000
    assert float(schedule(1000)) == rates[-1]


@pytest.mark.peer
def test_is_torchs_annealing():
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    peer = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, total_steps=40, cycle_momentum=False
    )
    schedule = OneCycle(0.1, steps=40)
    for step in range(40):
        assert float(schedule(step)) == pytest.approx(peer.get_last_lr()[0], rel=1e-4)
        optimizer.step()
        if step < 39:
            peer.step()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_short_trainings_have_a_rate(steps):
    rates = [float(OneCycle(0.1, steps)(step)) for step in range(steps)]
    assert all(0 < rate <= 0.1 + 1e-6 for rate in rates)


def test_config_round_trip():
    optimizer = keras.optimizers.SGD(OneCycle(0.1, steps=9, rise=0.5))
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert copy._learning_rate.get_config() == optimizer._learning_rate.get_config()


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="got steps=0"):
        OneCycle(0.1, steps=0)
    with pytest.raises(ValueError, match=r"got rise=1\.0"):
        OneCycle(0.1, steps=9, rise=1.0)
