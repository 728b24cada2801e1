"""What needs no second process; two are started in test_survival.py."""

import pytest

from kmlic.training import all_reduce_max, is_chief, start_workers


def test_one_process_is_the_chief_and_waits_for_nobody():
    assert is_chief()
    assert all_reduce_max(3) == 3


@pytest.mark.parametrize("text", [None, "host0:2222", '{"cluster": {}}'])
def test_says_what_tf_config_must_be(monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r'For instance \{"cluster": \{"worker": \['):
        start_workers()
    assert is_chief()


def test_refuses_a_worker_that_is_not_listed(monkeypatch):
    task = '{"type": "worker", "index": 2}'
    config = f'{{"cluster": {{"worker": ["a:1", "b:1"]}}, "task": {task}}}'
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match="got index 2 of 2"):
        start_workers()
