import gc
import signal
import sys
import threading
import time

import pytest

from kmlic.on_sigterm import STOPPED, on_sigterm


def test_ends_as_an_error_does_so_that_everything_is_tidied_up():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped, on_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.code == STOPPED == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_stop_during_a_callback_of_the_garbage_collector_is_raised_again():
    def collect(phase, info):
        if phase == "start":
            asked.append(phase)
            signal.raise_signal(signal.SIGTERM)

    asked = []
    before = sys.unraisablehook, signal.getsignal(signal.SIGALRM)
    with pytest.raises(SystemExit) as stopped, on_sigterm():
        for _ in range(2):
            gc.callbacks.append(collect)
            try:
                gc.collect()
            finally:
                gc.callbacks.remove(collect)
        time.sleep(10)
        pytest.fail("went on")
    assert stopped.value.code == STOPPED and len(asked) == 2
    assert (sys.unraisablehook, signal.getsignal(signal.SIGALRM)) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_other_ignored_errors_are_reported(monkeypatch):
    class Broken:
        def __del__(self):
            raise ValueError("broken")

    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda each: seen.append(each.exc_type))
    with on_sigterm():
        Broken()
    assert seen == [ValueError]


def test_the_inner_of_two_acts():
    called = []
    with on_sigterm(), on_sigterm(lambda: called.append(1)):
        signal.raise_signal(signal.SIGTERM)
    assert called == [1]


def test_does_nothing_in_other_threads():
    def act():
        with on_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    seen = []
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
